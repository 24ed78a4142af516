"""A web server for downloads."""

import hashlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from avsc.dataset.fetch import RetryPolicy
from avsc.dataset.manifests import Archive

QUICK = RetryPolicy(attempts=3, wait_s=0.0, timeout_s=5.0)
BODY = bytes(range(256)) * 2000  # 512,000 bytes


class Server:
    """Serves ``files`` with the faults of ``faults``, one a request, then soundly."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.faults: list[str] = []
        self.requests: list[tuple[str, str]] = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                asked = self.headers.get("Range", "")
                server.requests.append((self.path.lstrip("/"), asked))
                fault = server.faults.pop(0) if server.faults else ""
                server.answer(self, self.path.lstrip("/"), asked, fault)

            def log_message(self, *args: object) -> None:
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}"
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,))
        self._thread.start()

    def answer(self, handler: BaseHTTPRequestHandler, name: str, asked: str, fault: str) -> None:
        if fault.isdecimal():
            handler.send_response(int(fault))
            handler.send_header("Content-Length", "0")
            handler.end_headers()
            return
        if name not in self.files:
            handler.send_error(404)
            return
        body = self.files[name]
        begin = int(asked.removeprefix("bytes=").rstrip("-")) if asked else 0
        if fault == "no ranges":
            begin, asked = 0, ""
        if fault.startswith("page"):
            body, begin, asked = b"<html>log in first</html>", 0, ""
        if fault == "empty":
            body, begin, asked = b"", 0, ""
        if fault == "wrong byte":
            body = body[:100] + bytes([body[100] ^ 1]) + body[101:]
        handler.send_response(206 if asked else 200)
        shown = begin + 1 if fault == "other range" else begin
        if asked:
            handler.send_header("Content-Range", f"bytes {shown}-{len(body) - 1}/{len(body)}")
        if fault != "page of unknown length":
            handler.send_header("Content-Length", str(len(body) - begin))
        handler.end_headers()
        end = begin + (len(body) - begin) // 2 if fault == "cut" else len(body)
        handler.wfile.write(body[begin:end])

    def stop(self) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()


def archive_of(server: Server, name: str = "file") -> Archive:
    server.files["file"] = BODY
    md5 = hashlib.md5(BODY).hexdigest()
    return Archive("development", "audio", name, len(BODY), md5, f"{server.url}/{name}")
