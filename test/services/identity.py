"""Keystone: a fresh database, two accounts, and the server, in one process."""
import json
import os
import sqlite3

REGION = 'HERE'
OTHER_REGION = 'ELSEWHERE'
PASSWORDS = {'first': 'first-password', 'second': 'second-password'}
ADMIN_PASSWORD = 'admin-password'

# Cheap password hashes: this is not the place to slow a guesser down. The cache makes a check of a token ten times as fast.
CONFIG = """
[DEFAULT]
use_stderr = true
[database]
connection = sqlite:///{folder}/keystone.db
sqlite_synchronous = false
[token]
expiration = {token_life_seconds}
allow_expired_window = 0
[identity]
password_hash_rounds = 4
[fernet_tokens]
key_repository = {folder}/keys
[fernet_receipts]
key_repository = {folder}/keys
[credential]
key_repository = {folder}/credential-keys
[cache]
enabled = true
backend = dogpile.cache.memory
"""


def create_accounts(providers, urls):
    """One project and one user of the same name for each account, and where their Swift is."""
    accounts = {}
    roles = {role['name']: role['id'] for role in providers.role_api.list_roles()}
    for name, password in PASSWORDS.items():
        project = providers.resource_api.create_project(
            name, {'id': name.ljust(32, '0'), 'name': 'project-' + name, 'domain_id': 'default', 'enabled': True})
        user = providers.identity_api.create_user(
            {'name': name, 'password': password, 'domain_id': 'default', 'enabled': True})
        providers.assignment_api.add_role_to_user_and_project(user['id'], project['id'], roles['member'])
        accounts[name] = {
            'username': name, 'userId': user['id'], 'password': password,
            'projectId': project['id'], 'projectName': project['name'],
        }
    service = {'id': 'swift', 'name': 'swift', 'type': 'object-store', 'enabled': True}
    providers.catalog_api.create_service(service['id'], service)
    providers.catalog_api.create_region({'id': OTHER_REGION})
    # The other region answers nothing: a client that disregards the region it was told fails.
    addresses = {OTHER_REGION: 'http://127.0.0.1:1', REGION: urls['proxy']}
    for region, address in addresses.items():
        for interface in ('public', 'internal', 'admin'):
            name = 'swift-%s-%s' % (region, interface)
            providers.catalog_api.create_endpoint(name, {
                'id': name, 'interface': interface, 'region_id': region, 'service_id': service['id'],
                'url': address + '/v1/KEY_$(project_id)s', 'enabled': True,
            })
    return {'region': REGION, 'accounts': accounts}


def serve(folder, listener, urls, token_life_seconds, request_log):
    config_file = os.path.join(folder, 'keystone.conf')
    with open(config_file, 'w') as file:
        file.write(CONFIG.format(folder=folder, token_life_seconds=token_life_seconds))

    import keystone.server
    from keystone.cmd import bootstrap
    from keystone.common import fernet_utils, provider_api
    from keystone.common.sql import upgrades
    from keystone.server.flask import application, core

    keystone.server.configure(config_files=[config_file])
    upgrades.offline_sync_database_to_version()
    sqlite3.connect(os.path.join(folder, 'keystone.db')).execute('PRAGMA journal_mode = wal').close()
    keys = os.path.join(folder, 'keys')
    os.mkdir(keys, 0o700)
    fernet_utils.FernetUtils(keys, 3, 'fernet_tokens').initialize_key_repository()

    bootstrapper = bootstrap.Bootstrapper()
    bootstrapper.admin_username = bootstrapper.project_name = bootstrapper.admin_role_name = 'admin'
    bootstrapper.admin_password = ADMIN_PASSWORD
    bootstrapper.service_name = 'keystone'
    bootstrapper.region_id = REGION
    bootstrapper.public_url = bootstrapper.internal_url = bootstrapper.admin_url = urls['keystone'] + '/v3'
    bootstrapper.bootstrap()
    accounts = create_accounts(provider_api.ProviderAPIs, urls)

    app = core.setup_app_middleware(application.application_factory('public'))
    unfinished = os.path.join(folder, 'accounts.unfinished')
    with open(unfinished, 'w') as file:
        json.dump(accounts, file)
    os.rename(unfinished, os.path.join(folder, 'accounts.json'))

    # Nothing is patched to be green here, so requests are served one after the other: SQLite asks for that.
    import eventlet.wsgi
    from eventlet.greenio import GreenSocket

    from request_log import RequestLog
    eventlet.wsgi.server(GreenSocket(listener), RequestLog(app, request_log, 'keystone'), log_output=False)
