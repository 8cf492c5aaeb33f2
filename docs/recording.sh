#!/usr/bin/env bash
# What docs/recording.cast shows: a full backup that is killed and gone on with, a restore from storage that thaws, an error.
# With tundra in the PATH:
#   asciinema rec --overwrite --cols 100 --rows 40 -c docs/recording.sh docs/recording.cast && node scripts/recording.mjs
set -u
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
cd "$root" || exit 1
export HOME=$root PASSPHRASE='correct horse battery staple'

mkdir -p photos/2025 photos/2026 .config/tundra
for year in 2025 2026; do
  for n in 1 2 3 4 5 6 7 8 9; do head -c 12M /dev/urandom >"photos/$year/img_$n.raw"; done
done
for n in $(seq 2000); do seq "$n" >"photos/2026/note_$n.txt"; done
cat >stores.json <<JSON
[
  { "description": "hot", "url": "file://$root/hot", "prefixes": ["hot_"] },
  { "description": "cold", "url": "cold+file://$root/cold?thaw=5-25&keep=3600", "prefixes": ["cold_"] }
]
JSON
cat >.config/tundra/config.json <<JSON
{
  "targets": {
    "photos": {
      "source": "$root/photos",
      "url": "multi://$root/stores.json?mode=mirror&onfail=abort",
      "options": {
        "volsize": 25,
        "file-prefix-manifest": "hot_",
        "file-prefix-signature": "hot_",
        "file-prefix-archive": "cold_"
      }
    }
  }
}
JSON
sleep 3

run() {
  printf '\n\033[1m$ %s\033[0m\n' "$*"
  sleep 1
  "$@"
  local status=$?
  [ "$status" -eq 0 ] || printf '\033[2m(status %s)\033[0m\n' "$status"
  sleep 1
}

run_and_kill() {
  local seconds=$1
  shift
  printf '\n\033[1m$ %s\033[0m\n' "$*"
  "$@" &
  sleep "$seconds"
  kill -KILL $!
  wait $! 2>/dev/null
  printf '\n\033[2m(kill -9 after %s s: status %s)\033[0m\n' "$seconds" $?
}

printf 'Metadata go to a hot store, volumes to a cold one, which takes 5 to 25 seconds to thaw.\n'
run_and_kill 1.3 tundra full @photos
run tundra full @photos
run tundra status @photos
printf '\nThe worst day: the machine is gone, and with it the local archive. What does one file take?\n'
rm -rf .cache
run tundra plan @photos --path-to-restore 2025/img_3.raw
run tundra restore @photos restored
run diff -r photos restored
run env PASSPHRASE=wrong tundra restore @photos again
