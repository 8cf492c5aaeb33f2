"""A Swift proxy filter with both ways in: tempauth (auth version 1) and Keystone (auth version 3).

Side by side rather than in a row: Swift's two filters undo what the other has decided, and Keystone would be asked
about every token of tempauth.
"""
from keystonemiddleware import auth_token
from swift.common.middleware import keystoneauth, tempauth

TEMPAUTH_TOKEN = 'AUTH_tk'


def filter_factory(global_conf, **conf):
    def either(app):
        by_tempauth = tempauth.filter_factory(global_conf, **conf)(app)
        by_keystone = auth_token.filter_factory({}, **conf)(
            keystoneauth.filter_factory(global_conf, reseller_prefix='KEY_', operator_roles='member')(app))

        def choose(environ, start_response):
            token = environ.get('HTTP_X_AUTH_TOKEN', '')
            own = environ['PATH_INFO'].startswith('/auth/') or token.startswith(TEMPAUTH_TOKEN)
            return (by_tempauth if own else by_keystone)(environ, start_response)

        return choose

    return either
