"""Swift: configuration and the four servers. Policy 0 is PCS (hot, the default), policy 1 is PCA (cold)."""
import os

import swift.account.server  # noqa: F401 -- read once here, before the servers are forked
import swift.container.server  # noqa: F401
import swift.obj.server  # noqa: F401
import swift.proxy.server  # noqa: F401
from swift.common import utils, wsgi
from swift.common.ring import RingBuilder
from swift.common.storage_policy import reload_storage_policies

from identity import ADMIN_PASSWORD, PASSWORDS, REGION

POLICIES = """
[swift-hash]
swift_hash_path_suffix = tundra
[storage-policy:0]
name = PCS
default = yes
[storage-policy:1]
name = PCA
"""

# Workers: none but the process itself. The system's log hears nothing: port 9 discards.
SERVER = """
[DEFAULT]
swift_dir = {folder}
devices = {folder}/devices
mount_check = false
disable_fallocate = true
fallocate_reserve = 0
bind_ip = 127.0.0.1
bind_port = {port}
workers = 0
log_level = WARNING
log_udp_host = 127.0.0.1
log_udp_port = 9
"""

BACKEND = """
[pipeline:main]
pipeline = {name}-server
[app:{name}-server]
use = egg:swift#{name}
"""

PROXY = """
[pipeline:main]
pipeline = catch_errors request_log gatekeeper healthcheck cache listing_formats bulk either_auth copy pca slo dlo versioned_writes proxy-server
[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
[filter:request_log]
paste.filter_factory = request_log:filter_factory
file = {request_log}
[filter:catch_errors]
use = egg:swift#catch_errors
[filter:gatekeeper]
use = egg:swift#gatekeeper
[filter:healthcheck]
use = egg:swift#healthcheck
[filter:cache]
use = egg:swift#memcache
memcache_servers = 127.0.0.1:{memcached}
[filter:listing_formats]
use = egg:swift#listing_formats
[filter:bulk]
use = egg:swift#bulk
[filter:either_auth]
paste.filter_factory = either_auth:filter_factory
token_life = {token_life_seconds}
{users}
www_authenticate_uri = {keystone}/v3
auth_type = password
auth_url = {keystone}/v3
region_name = {region}
username = admin
password = {admin_password}
project_name = admin
user_domain_name = Default
project_domain_name = Default
delay_auth_decision = true
cache = swift.cache
service_token_roles_required = true
[filter:copy]
use = egg:swift#copy
[filter:pca]
paste.filter_factory = pca:filter_factory
[filter:slo]
use = egg:swift#slo
rate_limit_segments_per_sec = 0
[filter:dlo]
use = egg:swift#dlo
rate_limit_segments_per_sec = 0
[filter:versioned_writes]
use = egg:swift#versioned_writes
"""


def write(folder, name, text):
    with open(os.path.join(folder, name), 'w') as file:
        file.write(text)


def write_rings(folder, ports):
    rings = {'account': 'account', 'container': 'container', 'object': 'object', 'object-1': 'object'}
    for ring, server in rings.items():
        builder = RingBuilder(1, 1, 1)
        builder.add_dev({
            'id': 0, 'region': 1, 'zone': 1, 'ip': '127.0.0.1', 'port': ports[server], 'device': 'disk', 'weight': 1})
        builder.rebalance()
        builder.get_ring().save(os.path.join(folder, ring + '.ring.gz'))


def configure(folder, ports, urls, request_log, token_life_seconds):
    os.makedirs(os.path.join(folder, 'devices', 'disk'))
    write(folder, 'swift.conf', POLICIES)
    # Otherwise all of Swift goes by the policies that it read from /etc/swift when it was imported.
    utils.set_swift_dir(folder)
    reload_storage_policies()
    write_rings(folder, ports)
    for name in ('account', 'container', 'object'):
        write(folder, name + '.conf', SERVER.format(folder=folder, port=ports[name]) + BACKEND.format(name=name))
    users = '\n'.join('user_%s_user = %s .admin' % (name, password) for name, password in PASSWORDS.items())
    write(folder, 'proxy.conf', SERVER.format(folder=folder, port=ports['proxy']) + PROXY.format(
        request_log=request_log, memcached=ports['memcached'], users=users, keystone=urls['keystone'], region=REGION,
        admin_password=ADMIN_PASSWORD, token_life_seconds=token_life_seconds))


def serve(folder, name, listener):
    """Serves until the process is ended; the socket is bound already."""
    from eventlet.greenio import GreenSocket
    wsgi.get_socket = lambda _conf: GreenSocket(listener)
    wsgi.capture_stdio = lambda _logger: None  # Keep what the server has to say in its log file.
    wsgi.run_wsgi(os.path.join(folder, name + '.conf'), name + '-server', verbose=True)
