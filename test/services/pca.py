"""Public Cloud Archive's retrieval, as a filter in a real Swift's proxy.

Objects in containers of the storage policy PCA are sealed once written. A GET starts the unsealing of a sealed one and
answers 429 with Retry-After until it is unsealed; some time after that it seals again. HEAD tells the state, and a
listing with policy_extra=true tells that of every entry. The filter stands outside of large objects: a manifest is
sealed as a whole, and what Swift itself reads of its segments is not held up.

Tests steer it with POST /pca and one JSON command; rules are per container name, so suites do not disturb each other:

    {"do": "rules",  "container": C, "thawSeconds": N | [N, ...] | {"from": N, "to": N}, "unsealedSeconds": N}
    {"do": "seal",   "container": C, "object": O or absent for all that were written}
    {"do": "unseal", "container": C, "object": O or absent}
    {"do": "limit",  "container": C, "count": N}      the next N GETs get a plain 429
    {"do": "gets",   "container": C}                  every GET of an object so far
"""
import json
import math
import time
import zlib

from swift.common.storage_policy import POLICIES
from swift.common.swob import Request, Response
from swift.common.utils import split_path
from swift.proxy.controllers.base import get_container_info

from request_log import text

DEFAULT_RULES = {'thawSeconds': 600, 'unsealedSeconds': 86400}


def thaw_seconds(rule, path):
    """How long a thaw of this object takes: always the same for one object."""
    number = zlib.crc32(path.encode())
    if isinstance(rule, list):
        return rule[number % len(rule)]
    if isinstance(rule, dict):
        return rule['from'] + (rule['to'] - rule['from']) * (number % 1001) / 1000
    return rule


class Retrieval:
    """When an object becomes readable and when it seals again, in seconds since 1970."""

    def __init__(self, ready_at=0, seal_at=0):
        self.ready_at = ready_at
        self.seal_at = seal_at

    def state(self, now):
        if now >= self.seal_at:
            return 'sealed', None
        if now >= self.ready_at:
            return 'unsealed', None
        return 'unsealing', math.ceil(self.ready_at - now)


class Archive:
    def __init__(self, app):
        self.app = app
        self.policy = POLICIES.get_by_name('PCA').idx
        self.rules = {}  # container name -> what differs from DEFAULT_RULES
        self.limits = {}  # container name -> GETs that are still to be refused
        self.objects = {}  # (account, container, object) -> Retrieval
        self.gets = []

    def __call__(self, environ, start_response):
        return self.answer(Request(environ))(environ, start_response)

    def answer(self, request):
        if request.path_info == '/pca' and request.method == 'POST':
            result = self.command(**json.loads(request.body))
            return Response(body=json.dumps(result).encode(), content_type='application/json')
        try:
            _version, *name = [part and text(part) for part in split_path(request.environ['PATH_INFO'], 3, 4, True)]
        except ValueError:
            return self.app
        info = get_container_info(request.environ, self.app, swift_source='PCA')
        if str(info.get('storage_policy')) != str(self.policy):
            return self.app
        account, container, obj = name
        if obj is None:
            extra = request.method == 'GET' and request.params.get('policy_extra') == 'true'
            return self.listing(request, account, container) if extra else self.app
        method = getattr(self, request.method.lower() + '_object', None)
        return method(request, (account, container, obj)) if method else self.app

    def retrieval(self, name):
        return self.objects.setdefault(name, Retrieval())

    def thaw(self, name):
        """Starts the unsealing of a sealed object."""
        rules = {**DEFAULT_RULES, **self.rules.get(name[1], {})}
        ready_at = time.time() + thaw_seconds(rules['thawSeconds'], name[2])
        self.objects[name] = Retrieval(ready_at, ready_at + rules['unsealedSeconds'])

    def get_object(self, request, name):
        log = {'account': name[0], 'container': name[1], 'object': name[2], 'timeMs': int(time.time() * 1000)}
        if self.limits.get(name[1], 0) > 0:
            self.limits[name[1]] -= 1
            self.gets.append({**log, 'status': 429, 'started': False, 'limited': True})
            return Response(status='429 Too Many Requests', body=b'Too many requests')
        # Whether it is there, and whether this user may read it, comes first.
        head = Request({**request.environ, 'REQUEST_METHOD': 'HEAD'}).get_response(self.app)
        if not head.is_success:
            response = request.get_response(self.app) if head.status_int < 400 else head
            self.gets.append({**log, 'status': response.status_int, 'started': False, 'limited': False})
            return response
        state = self.retrieval(name).state(time.time())[0]
        if state == 'unsealed':
            response = request.get_response(self.app)
            self.gets.append({**log, 'status': response.status_int, 'started': False, 'limited': False})
            return response
        if state == 'sealed':
            self.thaw(name)
        delay = self.retrieval(name).state(time.time())[1] or 0
        self.gets.append({**log, 'status': 429, 'started': state == 'sealed', 'limited': False})
        return Response(status='429 Too Many Requests', headers={'Retry-After': str(delay)}, body=b'Sealed')

    def head_object(self, request, name):
        response = request.get_response(self.app)
        if response.is_success:
            state, delay = self.retrieval(name).state(time.time())
            response.headers['X-Ovh-Retrieval-State'] = state
            if delay is not None:
                response.headers['X-Ovh-Retrieval-Delay'] = str(delay)
        return response

    def put_object(self, request, name):
        response = request.get_response(self.app)
        if response.is_success:
            self.objects[name] = Retrieval()
        return response

    def delete_object(self, request, name):
        response = request.get_response(self.app)
        if response.is_success:
            self.objects.pop(name, None)
        return response

    def listing(self, request, account, container):
        response = request.get_response(self.app)
        if response.status_int != 200 or not response.content_type.startswith('application/json'):
            return response
        now = time.time()
        entries = json.loads(response.body)
        for entry in entries:
            if 'name' in entry:
                state, delay = self.retrieval((account, container, entry['name'])).state(now)
                entry['policy_retrieval_state'] = state
                entry['policy_retrieval_delay'] = delay
        response.body = json.dumps(entries).encode()
        return response

    def command(self, do, container, object=None, count=0, **rules):
        if do == 'gets':
            return [get for get in self.gets if get['container'] == container]
        if do == 'rules':
            self.rules.setdefault(container, {}).update(rules)
        elif do == 'limit':
            self.limits[container] = count
        else:
            now = time.time()
            rule = {**DEFAULT_RULES, **self.rules.get(container, {})}
            open_until = {'seal': 0, 'unseal': now + rule['unsealedSeconds']}[do]
            for name in list(self.objects):
                if name[1] == container and object in (None, name[2]):
                    self.objects[name] = Retrieval(now, open_until)
        return None


def filter_factory(_global_conf, **_conf):
    return Archive
