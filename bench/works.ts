/** The works that can be measured, in the order in which they are shown. */
export const works = [
  { name: 'full', course: 'tree', title: 'full, passphrase' },
  { name: 'gzip', course: 'tree', title: 'full, gzip without encryption', tools: ['tundra', 'duplicity'] },
  { name: 'unchanged', course: 'tree', title: 'incremental, nothing changed' },
  { name: 'changes', course: 'tree', title: 'incremental, 500 small and 15 large changes' },
  { name: 'restore', course: 'tree', title: 'restore' },
  { name: 'one-file', course: 'tree', title: 'restore one file' },
  { name: 'list', course: 'tree', title: 'list files' },
  { name: 'verify', course: 'tree', title: 'verify with data' },
  { name: 'photos', course: 'photos', title: 'full, incompressible data' },
  {
    name: 'large-file',
    course: 'large-file',
    title: 'incremental, one large file, 1 % changed',
    tools: ['tundra', 'duplicity'],
  },
  { name: 'start', course: 'start', title: '--version' },
  { name: 'kernels', course: 'kernels', title: 'kernels' },
  { name: 'swift', course: 'swift', title: 'a real Swift' },
  { name: 'memory', course: 'memory', title: 'peak memory of large cases' },
] as const satisfies readonly WorkShape[];

interface WorkShape {
  name: string;
  /** Works of one course share what they work on, and are measured together. */
  course: string;
  title: string;
  /** The tools it makes sense for; all of them if absent. */
  tools?: readonly string[];
}

export type WorkName = (typeof works)[number]['name'];
export type Course = (typeof works)[number]['course'];

/** Other words for a work. */
const otherNames: Readonly<Record<string, WorkName>> = {
  changed: 'changes',
  'restore one': 'one-file',
  limits: 'memory',
  '--version': 'start',
};

/** The works of these names; all if there is none. Throws an Error that tells the names if one is not known. */
export function chooseWorks(names: readonly string[]): Set<WorkName> {
  if (names.length === 0) return new Set(works.map(({ name }) => name));
  return new Set(
    names.map((text) => {
      const found = works.find(({ name }) => name === text)?.name ?? otherNames[text];
      if (found === undefined) {
        throw new Error(`there is no work ${text}: ${works.map(({ name }) => name).join(', ')}`);
      }
      return found;
    }),
  );
}

/** Whether a tool takes part in a work. */
export function takesPart(tool: string, work: WorkName): boolean {
  const { tools }: WorkShape = works.find(({ name }) => name === work)!;
  return tools === undefined || tools.includes(tool);
}
