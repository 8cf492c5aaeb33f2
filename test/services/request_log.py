"""A WSGI filter that writes down every request, as a line of JSON, before its answer leaves."""
import json
import os
import time


def text(wsgi_string):
    """WSGI hands over bytes as latin1 characters."""
    return wsgi_string.encode('latin1').decode('utf-8', 'replace')


class RequestLog:
    def __init__(self, app, path, service):
        self.app = app
        self.file = os.open(path, os.O_WRONLY | os.O_APPEND)
        self.service = service

    def __call__(self, environ, start_response):
        line = {
            'service': self.service,
            'timeMs': int(time.time() * 1000),
            'method': environ['REQUEST_METHOD'],
            'path': text(environ.get('PATH_INFO', '')),
            'query': text(environ.get('QUERY_STRING', '')),
            'agent': text(environ.get('HTTP_USER_AGENT', '')),
        }

        def answer(status, headers, *rest):
            line['status'] = int(status.split(' ')[0])
            os.write(self.file, (json.dumps(line) + '\n').encode())
            return start_response(status, headers, *rest)

        return self.app(environ, answer)


def filter_factory(_global_conf, file, **_conf):
    return lambda app: RequestLog(app, file, 'swift')
