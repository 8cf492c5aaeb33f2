import { parentPort } from 'node:worker_threads';
import { plainError } from './errors.js';
import type { Call, CallReply } from './thread-calls.js';

/** In the thread of a `ThreadCalls`: answers one question after the other, so that who asked first waits least. */
export function answerCalls<Question extends object, Answer>(
  answerTo: (question: Question) => Answer | Promise<Answer>,
): void {
  const port = parentPort!;
  let last: Promise<unknown> = Promise.resolve();
  port.on('message', (call: Call<Question>) => {
    const { id } = call;
    const reply = (message: CallReply<Answer>) => port.postMessage(message);
    last = last
      .then(() => answerTo(call))
      .then(
        (answer) => reply({ id, answer }),
        (error: unknown) => reply({ id, error: plainError(error) }),
      );
  });
}
