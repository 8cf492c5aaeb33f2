"""A real Swift and a real Keystone on loopback, in one temporary folder, for one test run.

    python3 cloud.py '{"tokenLifeSeconds": 3600}'

Prints one line of JSON when everything answers: addresses, accounts, the path of the request log. It ends, stops what
it started and removes the folder when its standard input closes, so a caller that dies takes all of it along. The
servers come out of the libraries of Debian's packages: nothing is read from or written to /etc, and no root is needed.
Every port is bound here before the servers are forked; what a client sends early waits in the queue of the socket.
"""
import contextlib
import ctypes
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

SERVERS = ('keystone', 'proxy', 'account', 'container', 'object')
START_SECONDS = 120
PR_SET_PDEATHSIG = 1


def die_with_parent():
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def bind():
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(('127.0.0.1', 0))
    listener.listen(512)
    return listener


def fork(cloud, name, serve):
    """Runs serve() in a child whose output goes to NAME.log."""
    pid = os.fork()
    if pid:
        cloud['pids'][pid] = name
        return
    status = 1
    try:
        die_with_parent()
        for other, listener in cloud['listeners'].items():
            if other != name:
                listener.close()
        log = os.open(os.path.join(cloud['folder'], name + '.log'), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        null = os.open(os.devnull, os.O_RDONLY)
        os.dup2(null, 0)
        os.dup2(log, 1)
        os.dup2(log, 2)
        serve()
        status = 0
    except BaseException:
        import traceback
        traceback.print_exc()
    finally:
        os._exit(status)


def start_memcached(cloud):
    """Lets memcached take a free port and tell it in a file."""
    port_file = os.path.join(cloud['folder'], 'memcached.port')
    command = ['memcached', '-l', '127.0.0.1', '-p', '-1', '-U', '0', '-m', '16', '-t', '1', '-c', '256']
    if os.geteuid() == 0:
        command += ['-u', 'root']
    with open(os.path.join(cloud['folder'], 'memcached.log'), 'w') as log:
        child = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, preexec_fn=die_with_parent,
            env=dict(os.environ, MEMCACHED_PORT_FILENAME=port_file))
    cloud['pids'][child.pid] = 'memcached'
    wait_for(cloud, lambda: os.path.exists(port_file))
    with open(port_file) as lines:
        return next(int(line.split(':')[-1]) for line in lines if line.startswith('TCP INET:'))


def ended(cloud):
    """The name of a server that has ended, if one has."""
    for pid in list(cloud['pids']):
        if os.waitpid(pid, os.WNOHANG)[0]:
            return cloud['pids'].pop(pid)
    return None


def wait_for(cloud, ready):
    deadline = time.monotonic() + START_SECONDS
    while not ready():
        name = ended(cloud)
        if name:
            raise RuntimeError('%s ended while it was starting' % name)
        if time.monotonic() > deadline:
            raise RuntimeError('not ready after %d seconds' % START_SECONDS)
        time.sleep(0.02)


def answers(url):
    try:
        with urllib.request.urlopen(url, timeout=START_SECONDS) as response:
            return response.status < 400
    except urllib.error.HTTPError as error:
        return error.code == 300  # Keystone's list of versions


def check_attributes(folder):
    """Swift keeps what it knows about an object in extended attributes, which not every file system has."""
    try:
        os.setxattr(folder, 'user.swift.try', b'')
    except OSError as error:
        raise RuntimeError('no extended attributes in %s (%s): set TMPDIR to another disk' % (folder, error))


def start(cloud, token_life_seconds):
    """Starts everything and returns what a caller needs to use it."""
    folder = cloud['folder']
    check_attributes(folder)
    listeners = cloud['listeners'] = {name: bind() for name in SERVERS}
    ports = {name: listener.getsockname()[1] for name, listener in listeners.items()}
    urls = {name: 'http://127.0.0.1:%d' % ports[name] for name in ('keystone', 'proxy')}
    request_log = os.path.join(folder, 'requests.jsonl')
    open(request_log, 'w').close()

    def serve_keystone():
        import identity
        identity.serve(folder, listeners['keystone'], urls, token_life_seconds, request_log)

    # Keystone takes longest: it starts first, and the rest while it reads its many modules.
    fork(cloud, 'keystone', serve_keystone)
    ports['memcached'] = start_memcached(cloud)
    import storage
    storage.configure(folder, ports, urls, request_log, token_life_seconds)
    for name in SERVERS[1:]:
        fork(cloud, name, lambda: storage.serve(folder, name, listeners[name]))
    for listener in listeners.values():
        listener.close()

    accounts_file = os.path.join(folder, 'accounts.json')
    wait_for(cloud, lambda: os.path.exists(accounts_file))
    wait_for(cloud, lambda: answers(urls['proxy'] + '/healthcheck') and answers(urls['keystone'] + '/v3'))
    with open(accounts_file) as file:
        accounts = json.load(file)
    return {
        'keystoneUrl': urls['keystone'] + '/v3',
        'swiftUrl': urls['proxy'],
        'tempAuthUrl': urls['proxy'] + '/auth/v1.0',
        'requestLog': request_log,
        **accounts,
    }


def stop(cloud):
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    for pid in cloud['pids']:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    for pid in cloud['pids']:
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, 0)
    shutil.rmtree(cloud['folder'], ignore_errors=True)


def show_logs(cloud):
    for name in sorted(os.listdir(cloud['folder'])):
        if name.endswith('.log'):
            with open(os.path.join(cloud['folder'], name), errors='replace') as file:
                tail = file.read()[-3000:]
            print('--- %s\n%s' % (name, tail), file=sys.stderr)


def main():
    settings = json.loads(sys.argv.pop())  # Keystone reads the arguments that are left.
    cloud = {'folder': tempfile.mkdtemp(prefix='tundra-openstack-'), 'pids': {}}
    # Caches that libraries keep in the home directory belong to the run as well.
    os.environ['XDG_CACHE_HOME'] = cloud['folder']
    # What is on loopback needs no proxy.
    for name in [name for name in os.environ if name.lower().endswith('_proxy')]:
        del os.environ[name]

    def leave(_number, _frame):
        raise SystemExit(0)

    signal.signal(signal.SIGTERM, leave)
    signal.signal(signal.SIGINT, leave)
    try:
        print(json.dumps(start(cloud, settings['tokenLifeSeconds'])), flush=True)
        while not select.select([sys.stdin], [], [], 0.5)[0]:
            name = ended(cloud)
            if name:
                raise RuntimeError('%s has ended' % name)
    except Exception as error:
        show_logs(cloud)
        sys.exit('cloud.py: %s' % error)
    finally:
        stop(cloud)


if __name__ == '__main__':
    main()
