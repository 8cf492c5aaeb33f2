/** As a shell would: `~`, `$NAME` and `${NAME}`, of which those unknown stay. */
export function expandPath(text: string, environment: Readonly<Record<string, string | undefined>>): string {
  const expanded = text.replace(
    /\$(?:(\w+)|\{([^}]*)\})/g,
    (whole, name?: string, inBraces?: string) => environment[name ?? inBraces ?? ''] ?? whole,
  );
  const home = environment.HOME;
  return home === undefined ? expanded : expanded.replace(/^~(?=\/|$)/, () => home);
}
