#!/bin/sh
# Makes the golden files beside this script with the real programs: duplicity 0.8.22 and Python's tarfile.
# They are committed; run this as root (owners, devices, the host's name) only to add to them, and read the difference.
#
#   full.*, inc.*       a full and an incremental set of a small tree with odd names: manifest, volume, signatures
#   split.manifest      a set whose files are split over volumes
#   pax.tar.gz, gnu.tar.gz, ustar.tar.gz   the same entries in three formats
#   *.jsonl             what Python's tarfile reads in each: byte strings as latin1, data as its SHA-1
set -eu
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
umask 022

/usr/bin/python3 - <<'PYTHON'
import os
root = b'odd tree'
os.mkdir(root)

def put(name, data=b'', mode=0o644, mtime=1000000000, uid=0, gid=0):
    path = os.path.join(root, name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, 'wb') as out:
        out.write(data)
    os.chown(path, uid, gid)
    os.chmod(path, mode)
    os.utime(path, (mtime, mtime))

put(b'plain', b'hello\n')
put(b'empty')
put(b'white space\n\t', b'1')
put(b'quote"\'back\\slash', b'2')
put(b'not utf-8 \xff\xfe', b'3')
put('UTF-8 \u00e4\u20ac'.encode(), b'4')
put(b'n' * 150, b'5')
put(b'/'.join([b'deep' * 20] * 5) + b'/file', b'6')
put(b'changed', b'A' * 5000)
put(b'gone/file', b'7')
put(b'pieces', b'P' * 70000)
put(b'exactly', b'E' * 65536)
put(b'before 1970', b'8', mtime=-5)
put(b'set-id', b'9', mode=0o4755)
put(b'big owner', b'10', uid=3000000, gid=3000001)
os.symlink(b't' * 120, root + b'/long link')
os.symlink(b'plain', root + b'/link')
os.symlink(b'\xff\n', root + b'/odd link')
os.mkfifo(root + b'/fifo')
os.mknod(root + b'/device', 0o20644, os.makedev(1, 3))
for name in (b'/fifo', b'/device'):
    os.utime(root + name, (1000000000, 1000000000))
for folder, _, _ in os.walk(root, topdown=False):
    os.utime(folder, (1000000000, 1000000000))

os.mkdir('big')
for name, size in (('big/one', 2500000), ('big/two and a half', 131072), ('big/zero', 0)):
    with open(name, 'wb') as out:
        state = 1
        data = bytearray()
        while len(data) < size:
            state = (state * 1103515245 + 12345) % 2147483648
            data += state.to_bytes(4, 'big')
        out.write(bytes(data[:size]))
PYTHON

backup() {
  unshare --uts sh -c 'hostname golden.example && exec duplicity "$@"' sh "$@" \
    --no-encryption --archive-dir "$work/cache" --no-print-statistics >/dev/null
}
backup full --current-time 1100000000 'odd tree' "file://$work/target"

/usr/bin/python3 - <<'PYTHON'
import os, shutil
root = b'odd tree'
with open(root + b'/changed', 'r+b') as out:
    out.seek(2500)
    out.write(b'B')
os.utime(root + b'/changed', (1000000001, 1000000001))
shutil.rmtree(root + b'/gone')
with open(root + b'/new file', 'wb') as out:
    out.write(b'new')
os.utime(root + b'/new file', (1000000001, 1000000001))
os.utime(root, (1000000001, 1000000001))
PYTHON
backup incremental --current-time 1100000100 'odd tree' "file://$work/target"
backup full --current-time 1100000000 --no-compression --volsize 1 big "file://$work/split"

cp target/duplicity-full.*.manifest "$here/full.manifest"
cp target/duplicity-full.*.difftar.gz "$here/full.difftar.gz"
cp target/duplicity-full-signatures.*.sigtar.gz "$here/full.sigtar.gz"
cp target/duplicity-inc.*.manifest "$here/inc.manifest"
cp target/duplicity-inc.*.difftar.gz "$here/inc.difftar.gz"
cp target/duplicity-new-signatures.*.sigtar.gz "$here/inc.sigtar.gz"
cp split/*.manifest "$here/split.manifest"

cd "$here"
/usr/bin/python3 - <<'PYTHON'
import gzip, hashlib, io, json, tarfile

def latin1(text):
    return text.encode('utf-8', 'surrogateescape').decode('latin1')

def entry(name, **values):
    info = tarfile.TarInfo(name.decode('utf-8', 'surrogateescape'))
    info.mtime = 1000000000
    for key, value in values.items():
        setattr(info, key, value)
    return info

def write(name, format, odd):
    # As many bytes as fit each form: the borders of the fields.
    entries = [entry(b'n' * length, size=3) for length in (1, 99, 100)]
    entries.append(entry(b'dir', type=tarfile.DIRTYPE, mode=0o755))
    entries.append(entry(b'link', type=tarfile.SYMTYPE, linkname='t' * 100))
    entries.append(entry(b'fifo', type=tarfile.FIFOTYPE))
    entries.append(entry(b'disk', type=tarfile.BLKTYPE, devmajor=8, devminor=1))
    entries.append(entry(b'd' * 120 + b'/' + b'f' * 90, size=1))
    if odd:
        entries += [entry(b'n' * length) for length in (101, 255, 511, 512, 513, 1000)]
        entries.append(entry(b'L' * 90 + b'/', type=tarfile.DIRTYPE))
        entries.append(entry(b'L' * 300, type=tarfile.DIRTYPE))
        entries.append(entry(b'long link', type=tarfile.SYMTYPE, linkname='t' * 101))
        entries.append(entry(b'l' * 200, type=tarfile.SYMTYPE, linkname='t' * 700))
        entries.append(entry(b'\xff\xfe' + b'\xfd' * 120, uname='us\udcffer', gname='gr'))
        entries.append(entry(b'big owner', uid=2**31, gid=2**21, mtime=2**33))
        entries.append(entry(b'new\nline\\ end ', uid=2097151, gid=2097152))
    out = io.BytesIO()
    headers = {'comment': 'for all', 'gname': 'global'} if format == tarfile.PAX_FORMAT else {}
    with tarfile.TarFile(fileobj=out, mode='w', format=format, errors='surrogateescape', encoding='utf-8',
                         pax_headers=headers) as tar:
        for info in entries:
            tar.addfile(info, io.BytesIO(b'abc'))
        if format == tarfile.PAX_FORMAT:
            tar.addfile(entry(b'times', mtime=-1.5))
            tar.addfile(entry(b'fraction', mtime=1000000000.75))
            tar.addfile(entry(b'attributes', pax_headers={'SCHILY.xattr.user.x': 'a\n=b', 'uname': 'u' * 40}))
    with gzip.GzipFile(name + '.tar.gz', 'wb', mtime=0) as file:
        file.write(out.getvalue())

write('pax', tarfile.PAX_FORMAT, True)
write('gnu', tarfile.GNU_FORMAT, True)
write('ustar', tarfile.USTAR_FORMAT, False)

types = {tarfile.REGTYPE: 'file', tarfile.DIRTYPE: 'directory', tarfile.SYMTYPE: 'symlink',
         tarfile.FIFOTYPE: 'fifo', tarfile.CHRTYPE: 'char-device', tarfile.BLKTYPE: 'block-device'}

def describe(name):
    listing = []
    with gzip.open(name) as file:
        for info in tarfile.TarFile(fileobj=file, encoding='utf-8', errors='surrogateescape'):
            device = info.type in (tarfile.CHRTYPE, tarfile.BLKTYPE)
            listing.append({
                'name': latin1(info.name) + ('/' if info.isdir() and not info.name.endswith('/') else ''),
                'type': types[info.type], 'mode': info.mode, 'uid': info.uid, 'gid': info.gid,
                'uname': latin1(info.uname), 'gname': latin1(info.gname), 'mtimeSeconds': max(0, int(info.mtime)),
                'sizeBytes': info.size, 'linkTarget': latin1(info.linkname),
                'deviceMajor': info.devmajor if device else 0, 'deviceMinor': info.devminor if device else 0,
                'sha1': hashlib.sha1(tarfile.TarFile.extractfile(open_tar(name), info).read()
                                     if info.isreg() else b'').hexdigest()})
            records = {latin1(key): latin1(value) for key, value in info.pax_headers.items() if key.startswith('SCHILY.')}
            if records:
                listing[-1]['records'] = records
    with open(name[:-3] + '.jsonl', 'w') as out:
        out.writelines(json.dumps(item) + '\n' for item in listing)

def open_tar(name):
    return tarfile.TarFile(fileobj=io.BytesIO(gzip.open(name).read()))

for name in ('full.difftar', 'full.sigtar', 'inc.difftar', 'inc.sigtar', 'pax.tar', 'gnu.tar', 'ustar.tar'):
    describe(name + '.gz')
PYTHON
