"""
The reverse proxy one writes with aiohttp: one ClientSession, streamed both ways.

Made as quick as aiohttp honestly allows: connections kept alive without a limit,
answers passed on undecoded as they come, uvloop unless told otherwise, and the
handler cancelled when its client leaves.
"""

from __future__ import annotations

import argparse
import asyncio

from aiohttp import ClientSession, ClientTimeout, DummyCookieJar, TCPConnector, web

HOP_BY_HOP = {
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
}
SESSION = web.AppKey("session", ClientSession)


def end_to_end(headers, also=frozenset()):
    dropped = HOP_BY_HOP | also
    return [(name, value) for name, value in headers.items() if name.lower() not in dropped]


def make_app(node: str) -> web.Application:
    app = web.Application(client_max_size=100 * 2**20)

    async def keep_session(app):
        connector = TCPConnector(limit=0, keepalive_timeout=75)
        timeout = ClientTimeout(total=None, sock_connect=5)
        async with ClientSession(
            connector=connector,
            timeout=timeout,
            auto_decompress=False,
            cookie_jar=DummyCookieJar(),
        ) as session:
            app[SESSION] = session
            yield

    async def proxy(request: web.Request) -> web.StreamResponse:
        async with app[SESSION].request(
            request.method,
            node + request.raw_path,
            headers=[*end_to_end(request.headers, {"host"}), ("X-Forwarded-For", request.remote)],
            data=await request.read() if request.can_read_body else None,
            allow_redirects=False,
        ) as answer:
            response = web.StreamResponse(status=answer.status, reason=answer.reason)
            response.headers.extend(end_to_end(answer.headers))
            await response.prepare(request)
            async for data in answer.content.iter_any():
                await response.write(data)
            await response.write_eof()
            return response

    app.cleanup_ctx.append(keep_session)
    app.router.add_route("*", "/{path:.*}", proxy)
    return app


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--node", required=True)
    parser.add_argument("--loop", choices=["uvloop", "asyncio"], default="uvloop")
    options = parser.parse_args()
    if options.loop == "uvloop":
        import uvloop

        loop = uvloop.new_event_loop()
    else:
        loop = asyncio.new_event_loop()
    web.run_app(
        make_app(options.node),
        host="127.0.0.1",
        port=options.port,
        loop=loop,
        access_log=None,
        backlog=4096,
        handler_cancellation=True,
        print=None,
    )
