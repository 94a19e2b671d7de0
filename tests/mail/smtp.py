"""A real SMTP server on loopback that takes, refuses or delays what it is told to.

usage: smtp.py DIRECTORY SECURITY
SECURITY: none | starttls | tls; with TLS it wants the user "backup" and the password "hunter 2".
DIRECTORY/mode holds what it does, looked at for each mail: take | refuse | defer | stall.
A mail that it took lies in DIRECTORY/mails/N.json, as Python's own parser reads it: envelope,
headers, and what the parts say. It prints "listening on PORT" when it does, and ends with who started it.
"""

import asyncio
import email
import email.policy
import json
import os
import socket
import ssl
import sys
from pathlib import Path

import trustme
from aiosmtpd.smtp import SMTP, AuthResult

directory, security = Path(sys.argv[1]), sys.argv[2]
parent = os.getppid()
mails = directory / "mails"
mails.mkdir(exist_ok=True)


def parsed(content):
    message = email.message_from_bytes(content, policy=email.policy.default)
    parts = [part for part in message.walk() if not part.is_multipart()]
    return {
        "headers": [[name, str(value)] for name, value in message.items()],
        "type": message.get_content_type(),
        "parts": {part.get_content_type(): part.get_content() for part in parts},
        "defects": [repr(defect) for part in message.walk() for defect in part.defects],
    }


class Handler:
    count = 0

    async def handle_RCPT(self, server, session, envelope, address, options):
        mode = (directory / "mode").read_text()
        if mode == "refuse":
            return f"550 no mailbox {address} here"
        if mode == "defer":
            return f"451 try {address} again"
        if mode == "stall":
            await asyncio.sleep(600)
        envelope.rcpt_tos.append(address)
        return "250 fine"

    async def handle_DATA(self, server, session, envelope):
        mail = parsed(envelope.content)
        mail["from"], mail["to"] = envelope.mail_from, envelope.rcpt_tos
        mail["tls"] = server.transport.get_extra_info("ssl_object") is not None
        mail["auth"] = bool(session.authenticated)
        Handler.count += 1
        staged = mails / f".{Handler.count}"
        staged.write_text(json.dumps(mail))
        staged.rename(mails / f"{Handler.count}.json")
        return "250 taken as number %d" % Handler.count


def authenticate(server, session, envelope, mechanism, data):
    good = data.login == b"backup" and data.password == b"hunter 2"
    return AuthResult(success=good, handled=False)



async def main():
    options, wrapped = {}, None
    if security != "none":
        authority = trustme.CA()
        authority.cert_pem.write_to_path(directory / "ca.pem")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("localhost").configure_cert(context)
        options = {"auth_required": True, "authenticator": authenticate}
        if security == "tls":
            # The whole connection is under TLS, which this library does not see for itself.
            options["auth_require_tls"], wrapped = False, context
        else:
            options |= {"tls_context": context, "require_starttls": True}
    loop = asyncio.get_running_loop()
    handler = Handler()
    serving = await loop.create_server(
        lambda: SMTP(handler, **options), "localhost", 0, family=socket.AF_INET, ssl=wrapped
    )
    print(f"listening on {serving.sockets[0].getsockname()[1]}", flush=True)
    while os.getppid() == parent:
        await asyncio.sleep(0.5)


asyncio.run(main())
