import { errorOfPlain } from '../base/errors.js';
import { Gate } from '../base/gate.js';
import type { VolumeAnswer, VolumeBytes, VolumePlace } from './restore-messages.js';

/** The sets of a long chain ask for their first volumes together: the main thread need not hold all the questions. */
const mostQuestions = 16;

/** Asks the main thread for volumes. */
export class VolumeDesk {
  readonly #ask: (place: VolumePlace) => void;
  readonly #atOnce = new Gate(mostQuestions);
  readonly #waiting = new Map<
    string,
    { resolve(bytes: VolumeBytes | undefined): void; reject(error: Error): void }
  >();

  /** @param ask sends the question; the answer is to be given to `answer` */
  constructor(ask: (place: VolumePlace) => void) {
    this.#ask = ask;
  }

  /** Where the bytes of a volume come, once it is there and was found to be whole; undefined if it is left out. */
  request(place: VolumePlace): Promise<VolumeBytes | undefined> {
    return this.#atOnce.run(
      () =>
        new Promise((resolve, reject) => {
          this.#waiting.set(`${place.set}.${place.volume}`, { resolve, reject });
          this.#ask(place);
        }),
    );
  }

  answer(answer: VolumeAnswer): void {
    const id = `${answer.set}.${answer.volume}`;
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    if ('error' in answer) waiting?.reject(errorOfPlain(answer.error));
    else waiting?.resolve('isLeftOut' in answer ? undefined : answer);
  }
}
