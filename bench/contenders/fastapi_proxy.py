"""
The reverse proxy most Python gateways are: FastAPI in front, one httpx.AsyncClient behind.

Made as quick as they honestly allow: uvicorn with httptools and uvloop, one worker,
no access log, one client for all requests with connections kept alive without a limit,
answers passed on undecoded as they come.
"""

from __future__ import annotations

import argparse
from contextlib import asynccontextmanager

import httpx
import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import StreamingResponse

HOP_BY_HOP = {
    b"connection",
    b"keep-alive",
    b"proxy-authenticate",
    b"proxy-authorization",
    b"te",
    b"trailer",
    b"transfer-encoding",
    b"upgrade",
}
METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]


def end_to_end(headers, also=frozenset()):
    dropped = HOP_BY_HOP | also
    return [(name, value) for name, value in headers if name.lower() not in dropped]


async def relay(answer: httpx.Response):
    try:
        async for data in answer.aiter_raw():
            yield data
    finally:
        await answer.aclose()


def make_app(node: str) -> FastAPI:
    @asynccontextmanager
    async def lifespan(app):
        limits = httpx.Limits(
            max_connections=None, max_keepalive_connections=None, keepalive_expiry=75
        )
        async with httpx.AsyncClient(base_url=node, limits=limits, timeout=None) as client:
            app.state.client = client
            yield

    app = FastAPI(lifespan=lifespan)

    @app.api_route("/{path:path}", methods=METHODS)
    async def proxy(request: Request, path: str) -> StreamingResponse:
        client: httpx.AsyncClient = request.app.state.client
        query = f"?{request.url.query}" if request.url.query else ""
        outgoing = client.build_request(
            request.method,
            request.url.path + query,
            headers=[
                *end_to_end(request.headers.raw, {b"host"}),
                (b"x-forwarded-for", request.client.host.encode()),
            ],
            content=await request.body(),
        )
        answer = await client.send(outgoing, stream=True)
        response = StreamingResponse(relay(answer), status_code=answer.status_code)
        response.raw_headers = end_to_end(answer.headers.raw)
        return response

    return app


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--node", required=True)
    options = parser.parse_args()
    uvicorn.run(
        make_app(options.node),
        host="127.0.0.1",
        port=options.port,
        workers=1,
        loop="uvloop",
        http="httptools",
        access_log=False,
        log_level="warning",
        backlog=4096,
    )
