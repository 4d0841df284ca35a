"""The listeners of load balancers, each on a free port of this machine: HTTP plain, HTTPS with the certificate it names.
ministack answers for a load balancer by the Host header alone, over its own TLS, and for a port without a listener by another.

Pages of https://docs.aws.amazon.com/elasticloadbalancing/latest/application/:
  [listeners]  load-balancer-listeners.html
  [https]      create-https-listener.html
  [policies]   describe-ssl-policies.html
  [attributes] edit-load-balancer-attributes.html
  [conditions] rule-condition-types.html
  [actions]    rule-action-types.html
"""

import asyncio
import os
import re
import ssl
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote

from load_balancer import BETWEEN_VALUES
from ministack.core.responses import request_scope
from ministack.services import acm, alb

# [policies]: the lowest version of TLS stands in the names of the policies with TLS 1.3; no other is known here.
POLICY = re.compile(r"ELBSecurityPolicy-TLS13-1-([23])(-.+)?-20\d\d-\d\d")
# [actions], "fixed response actions": the body's limit is that of the API; 2XX, 4XX and 5XX alone.
# https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_FixedResponseActionConfig.html
FIXED_BODY_MAX = 1024
FIXED_TYPES = ("text/plain", "text/css", "text/html", "application/javascript", "application/json")

_doors: dict[str, ThreadingHTTPServer] = {}


def install() -> None:
    matches = alb._match_condition

    def match(condition, method, path, headers, query):
        if condition.get("Field") == "http-request-method":
            return has_method(condition.get("Values", []), method)
        return matches(condition, method, path, headers, query)

    alb._match_condition = match


def has_method(values: list, method: str) -> bool:
    """[conditions], "HTTP request method conditions": the case counts, and there are no wildcards."""
    return method in values


def lowest_tls(policy: str) -> ssl.TLSVersion:
    found = POLICY.fullmatch(policy or "")
    if not found:
        raise ValueError(f"the emulator does not know the SSL policy {policy}")
    return ssl.TLSVersion.TLSv1_3 if found[1] == "3" else ssl.TLSVersion.TLSv1_2


def check_listener(properties: dict) -> None:
    """What CreateListener refuses."""
    certificates = properties.get("Certificates") or []
    if properties.get("Protocol") == "HTTPS":
        # [https]: exactly one default certificate, and it must be there.
        if len(certificates) != 1:
            raise ValueError("A certificate must be specified for HTTPS listeners")
        if acm._get_local_certificate(certificates[0].get("CertificateArn", "")) is None:
            raise ValueError(f"Certificate ARN '{certificates[0].get('CertificateArn')}' is not valid")
        lowest_tls(properties.get("SslPolicy", ""))
    elif certificates or properties.get("SslPolicy"):
        raise ValueError("A certificate cannot be specified for HTTP listeners")
    check_actions(properties.get("DefaultActions") or [])


def check_actions(actions: list) -> None:
    for action in actions:
        fixed, redirect = action.get("FixedResponseConfig"), action.get("RedirectConfig")
        if fixed:
            if not re.fullmatch("[245][0-9][0-9]", str(fixed.get("StatusCode"))):
                raise ValueError(f"a fixed response cannot have the status {fixed.get('StatusCode')}")
            if len(fixed.get("MessageBody", "")) > FIXED_BODY_MAX or fixed.get("ContentType", FIXED_TYPES[0]) not in FIXED_TYPES:
                raise ValueError("the body of a fixed response is too long, or of a type that is not allowed")
        # [actions], "redirect actions": 301 or 302, and at least one of protocol, port, host and path must change.
        if redirect and redirect.get("StatusCode") not in ("HTTP_301", "HTTP_302"):
            raise ValueError(f"a redirect cannot have the status {redirect.get('StatusCode')}")
        if redirect and not any(redirect.get(part) for part in ("Protocol", "Port", "Host", "Path")):
            raise ValueError("a redirect must change the protocol, port, host or path")


# --- ports of this machine


def doors() -> list[dict]:
    """Every listener, and the port of this machine on which it answers; opened when first asked for."""
    found = []
    for (account, region, arn), listener in list(alb._listeners._data.items()):
        balancer = alb._lbs.get_scoped(account, region, listener["LoadBalancerArn"])
        if arn not in _doors:
            _doors[arn] = open_door(account, region, listener)
        found.append({
            "balancer": balancer["DNSName"], "port": listener["Port"], "protocol": listener["Protocol"],
            "door": _doors[arn].server_address[1],
        })
    return found


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256


def open_door(account: str, region: str, listener: dict) -> Server:
    arn = listener["ListenerArn"]

    class Requests(ListenerRequests):
        def dispatch(self, headers: dict, body: bytes, path: str, raw_query: str) -> tuple | None:
            with request_scope(account, region):
                # Taken anew each time, as the listener may have been deleted.
                balancer = alb._lbs.get(listener["LoadBalancerArn"]) if arn in alb._listeners else None
                return balancer and asyncio.run(alb.dispatch_request(
                    balancer, self.command, unquote(path), headers, body, parse_qs(raw_query, keep_blank_values=True),
                    listener["Port"], client_ip=self.client_address[0], raw_query_string=raw_query, raw_path=path))

    server = Server(("127.0.0.1", 0), Requests)
    if listener["Protocol"] == "HTTPS":
        # The handshake is the connection's own thread's: it would keep the others waiting.
        server.socket = tls_of(account, region, listener).wrap_socket(
            server.socket, server_side=True, do_handshake_on_connect=False)
    threading.Thread(target=server.serve_forever, daemon=True, name=f"listener-{listener['Port']}").start()
    return server


def tls_of(account: str, region: str, listener: dict) -> ssl.SSLContext:
    """[https]: the load balancer ends TLS with its default certificate, in the versions of its policy."""
    certificate = acm._certificates.get_scoped(account, region, listener["Certificates"][0])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = lowest_tls(listener["SslPolicy"])
    with tempfile.TemporaryDirectory() as folder:
        file = os.path.join(folder, "certificate.pem")
        with open(file, "w", encoding="ascii") as written:
            written.write("\n".join((certificate["_private_key"], certificate["_pem_body"], certificate["_pem_chain"])))
        context.load_cert_chain(file)
    return context


class ListenerRequests(BaseHTTPRequestHandler):
    """HTTP/1.1 with connections that are kept; [attributes]: idle ones are closed after 60 seconds."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    timeout = 60

    def dispatch(self, headers: dict, body: bytes, path: str, raw_query: str) -> tuple | None:
        raise NotImplementedError

    def answer(self) -> None:
        headers = {name.lower(): BETWEEN_VALUES.join(self.headers.get_all(name)) for name in self.headers}
        path, _, raw_query = self.path.partition("?")
        answered = self.dispatch(headers, self.body(), path, raw_query)
        if answered is None:
            self.close_connection = True
            return
        status, answer_headers, body = answered
        self.send_response_only(status)
        for name, values in answer_headers.items():
            if name.lower() not in ("content-length", "connection", "transfer-encoding"):
                for value in values if isinstance(values, list) else [values]:
                    self.send_header(name, str(value))
        if status not in (204, 304):
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD" and status not in (204, 304):
            self.wfile.write(body)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = answer

    def body(self) -> bytes:
        if "chunked" not in self.headers.get("Transfer-Encoding", "").lower():
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass
        return b"".join(parts)

    def log_message(self, *_):
        pass
