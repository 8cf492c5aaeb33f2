import { spawnSync } from 'node:child_process';

/** For each path below a folder: its extended attributes in hexadecimal digits, and the other names that it has. */
export type RecordDescription = Record<string, { attributes: Record<string, string>; names: string[] }>;

/** Describes by way of Python what a backup keeps beside a tar's fields. Paths that have none of it are left out. */
export function describeRecords(folder: string): RecordDescription {
  const script = `
import collections, json, os, sys
root = sys.argv[1]
found, inodes = {}, collections.defaultdict(list)
for at, folders, files in os.walk(root):
    for path in [at] + [os.path.join(at, name) for name in files] + [
            os.path.join(at, name) for name in folders if os.path.islink(os.path.join(at, name))]:
        name = os.path.relpath(path, root)
        found[name] = {key: os.getxattr(path, key, follow_symlinks=False).hex()
                       for key in sorted(os.listxattr(path, follow_symlinks=False)) if key != 'security.selinux'}
        stat = os.lstat(path)
        if not os.path.isdir(path) or os.path.islink(path):
            inodes[stat.st_dev, stat.st_ino].append(name)
names = {name: sorted(group) for group in inodes.values() for name in group if len(group) > 1}
json.dump({name: {'attributes': attributes, 'names': names.get(name, [])}
           for name, attributes in sorted(found.items()) if attributes or name in names}, sys.stdout)`;
  const run = spawnSync('python3', ['-c', script, folder], {
    encoding: 'utf8',
    env: { ...process.env, LC_ALL: 'C.UTF-8' },
  });
  if (run.status !== 0) throw new Error(run.stderr);
  return JSON.parse(run.stdout) as RecordDescription;
}
