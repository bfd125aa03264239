"""The review page: one pair at a time in a browser on this machine, for the one person who started it.

What belongs here: who may talk to the page, its routes and its forms. What is shown and kept is said by
`pipelines.review_desk`; how it looks, by `summaries/templates/review.html`. It listens on 127.0.0.1 alone, to whoever
opened the one-time address first; it writes no file and logs nothing.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.cookies import CookieError, SimpleCookie
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import islice
from typing import Any
from urllib.parse import parse_qs, urlsplit

from governance.audit import AuditError
from governance.inert import line as inert
from linkage.decisions import VERDICTS
from pipelines.guard import ours, place
from pipelines.review_desk import WORDS, Desk, ReviewRefused
from summaries.render import TEMPLATES, page

HOST = "127.0.0.1"
LARGEST = 16_384  # bytes of a form: a note of the longest kind, every character escaped
AHEAD = 40  # pairs whose records are fetched from the vault at a time
IDLE = 30 * 60  # seconds without a request after which the page closes
SLOWEST = 10  # seconds that a request may take to arrive
KEPT = "Kept:"
FILES = {"/review.css": ("review.css", "text/css"), "/keys.js": ("keys.js", "text/javascript")}
_STYLE = (TEMPLATES / "style.css").read_text(encoding="utf-8")
_DIGEST = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        f"default-src 'none'; style-src 'self' 'sha256-{_DIGEST}'; script-src 'self'; form-action 'self'; "
        "frame-ancestors 'none'; base-uri 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


@dataclass(frozen=True)
class Request:
    """A request as it came: method, path with query, headers by lower-case name, body."""

    method: str
    target: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(default=b"", repr=False)


@dataclass(frozen=True)
class Reply:
    """What is answered; `HEADERS` go with every reply."""

    status: int
    body: str = field(default="", repr=False)
    kind: str = "text/html"
    more: Mapping[str, str] = field(default_factory=dict, repr=False)


class Refused(Exception):
    """A request that is not answered, with its status; says why, and quotes nothing of it."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


class Sitting:
    """One reviewer's sitting: the pairs that wait, and what was decided; `answer` turns a request into a reply."""

    def __init__(self, desk: Desk, sample: bool = False, only: str | None = None) -> None:
        """Look up what waits.

        Args:
            desk: of the reviewer.
            sample: whether the random sample is to be decided, in place of the pairs that teach most.
            only: one kind of pair.
        """
        self.desk, self.sample = desk, sample
        waiting = desk.drawn() if sample else desk.queue()
        rows = waiting.select("record_l", "record_r", "kind").iter_rows()
        self.kinds = {(left, right): kind for left, right, kind in rows if only in (None, kind)}
        self.waiting = deque(self.kinds)
        self.decided: list[str] = []
        self.done = ""
        self.port = 0
        self.token: str | None = secrets.token_urlsafe(32)
        self.cookie, self.form = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
        self.offered: set[tuple[str, str]] = set()
        self.finished = threading.Event()
        self.latest = time.monotonic()
        self._alone = threading.Lock()
        said = desk.council.organisation.reasons
        self._head = {
            "reviewer": desk.reviewer.who,
            "reason": said.get(desk.reviewer.reason, desk.reviewer.reason).lower(),
            "sample": sample,
        }

    @property
    def address(self) -> str:
        """What the reviewer opens; it works once."""
        return f"http://{HOST}:{self.port}/?token={self.token}"

    def answer(self, request: Request) -> Reply:
        """Answer one request; one at a time."""
        with self._alone:
            try:
                return self._answered(request)
            except Refused as refused:
                return Reply(refused.status, f"{refused}\n", "text/plain")
            except (ReviewRefused, AuditError) as error:
                return Reply(403, f"{error}\n", "text/plain")
            except Exception as error:  # noqa: BLE001 - whatever it is, its text may quote a value
                why = str(error) if ours(error) else f"stopped on {place(error)}; its message is left out"
                return Reply(500, f"{why}\n", "text/plain")

    # -- who is let in -----------------------------------------------------------------------------------------------

    def _answered(self, request: Request) -> Reply:
        self._from_here(request)
        url = urlsplit(request.target)
        if url.path == "/" and "token" in (asked := parse_qs(url.query, max_num_fields=4)):
            return self._let_in(request, asked["token"][0])
        if not self._known(request):
            raise Refused(403, "This page is for the one who started it: open the address that the command printed.")
        self.latest = time.monotonic()
        gets: dict[str, Callable[[], Reply]] = {
            "/": self._next,
            "/pair": lambda: self._chosen(parse_qs(url.query, max_num_fields=4)),
            "/mine": self._mine,
            "/conflicts": self._conflicts,
        }
        posts: dict[str, Callable[[dict[str, str]], Reply]] = {
            "/decide": self._decide,
            "/withdraw": self._withdraw,
            "/finish": self._finish,
        }
        if request.method == "GET" and url.path in FILES:
            name, kind = FILES[url.path]
            return Reply(200, (TEMPLATES / name).read_text(encoding="utf-8"), kind)
        if request.method == "GET" and url.path in gets:
            return gets[url.path]()
        if request.method == "POST" and url.path in posts:
            return posts[url.path](self._fields(request))
        if url.path in gets or url.path in posts:
            raise Refused(405, "This address does not take such a request.")
        raise Refused(404, "There is nothing here.")

    def _from_here(self, request: Request) -> None:
        """Refuse what comes under another name than this machine's own, or from another site's page."""
        names = {f"{HOST}:{self.port}", f"localhost:{self.port}"}
        if request.headers.get("host") not in names:
            raise Refused(421, "This is not the host that was asked for.")
        site = request.headers.get("sec-fetch-site", "same-origin")
        origin = request.headers.get("origin")
        strange = origin is not None and origin not in {f"http://{name}" for name in names}
        if strange or site not in ("same-origin", "none"):
            raise Refused(403, "This request comes from another site's page.")

    def _let_in(self, request: Request, token: str) -> Reply:
        """Take the one-time address: whoever comes first is given the cookie."""
        if self._known(request):
            return _to("/")
        if request.method != "GET" or self.token is None or not _equal(token, self.token):
            raise Refused(403, "This address was used already, or is not the one printed. Start the page again.")
        self.token = None
        cookie = f"{self._cookie_name}={self.cookie}; HttpOnly; SameSite=Strict; Path=/"
        return Reply(303, more={"Location": "/", "Set-Cookie": cookie})

    @property
    def _cookie_name(self) -> str:
        return f"kinfold_review_{self.port}"  # cookies know no ports

    def _known(self, request: Request) -> bool:
        try:
            held = SimpleCookie(request.headers.get("cookie", "")).get(self._cookie_name)
        except CookieError:
            return False
        return held is not None and _equal(held.value, self.cookie)

    def _fields(self, request: Request) -> dict[str, str]:
        """The form, which must be one that this page gave out."""
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != "application/x-www-form-urlencoded":
            raise Refused(415, "This is not a form of this page.")
        try:
            told = parse_qs(request.body.decode("utf-8"), keep_blank_values=True, max_num_fields=8)
        except ValueError:
            raise Refused(400, "This form cannot be read.") from None
        if any(len(values) > 1 for values in told.values()):
            raise Refused(400, "This form says something twice.")
        fields = {name: values[0] for name, values in told.items()}
        if not _equal(fields.get("form", ""), self.form):
            raise Refused(403, "This form is not of this sitting. Open the page again.")
        return fields

    # -- pages -------------------------------------------------------------------------------------------------------

    def _page(self, view: str, heading: str, status: int = 200, **values: Any) -> Reply:
        done, self.done = self.done, ""
        given: dict[str, Any] = {
            "shown": None,
            "note": "",
            "mistake": "",
            "mine": [],
            "conflicts": [],
            "disputed": len(self.desk.disputes()),
            "form": self.form,
            "done": done,
            "undo": self.decided[-1] if done.startswith(KEPT) and self.decided else None,
            "decided": len(self.decided),
            "waiting": len(self.waiting),
        }
        return Reply(status, page("review.html", view=view, heading=heading, **self._head, **(given | values)))

    def _show(self, pair: tuple[str, str], status: int = 200, **values: Any) -> Reply:
        shown = self.desk.show(pair, self.kinds.get(pair), islice(self.waiting, AHEAD))
        self.offered.add(pair)
        return self._page("pair", "Are these two records about one person?", status, shown=shown, **values)

    def _next(self) -> Reply:
        if not self.waiting:
            return self._page("pair", "Nothing waits")
        return self._show(self.waiting[0])

    def _chosen(self, asked: Mapping[str, list[str]]) -> Reply:
        """A pair that this reviewer decided, or about which reviewers disagree: no other can be called up."""
        pair = _pair(asked.get("of", [""])[0])
        if pair not in self.offered and pair not in {*self.desk.disputes(), *self._decided_pairs()}:
            raise Refused(404, "This pair is not among your decisions or the conflicts.")
        return self._show(pair)

    def _decided_pairs(self) -> Iterator[tuple[str, str]]:
        yield from self.desk.mine().select("record_l", "record_r").iter_rows()

    def _mine(self) -> Reply:
        here = set(self.desk.here(self._decided_pairs()))
        mine = [
            {
                "id": row["decision_id"],
                "at": f"{row['decided_at']:%Y-%m-%d %H:%M}",
                "verdict": WORDS[row["verdict"]],
                "pair": (row["record_l"], row["record_r"]),
                "note": bool(row["note"]),
                "here": (row["record_l"], row["record_r"]) in here,
                "withdrawn": f"{row['withdrawn_at']:%Y-%m-%d %H:%M}" if row["withdrawn_at"] else "",
            }
            for row in self.desk.mine().iter_rows(named=True)
        ]
        return self._page("mine", "My decisions", mine=mine)

    def _conflicts(self) -> Reply:
        told = [
            {
                "pair": pair,
                "same": inert(", ".join(one["same"])),
                "different": inert(", ".join(one["different"])),
                "last": f"{one['last']:%Y-%m-%d %H:%M}",
            }
            for pair, one in self.desk.disputes().items()
        ]
        return self._page("conflicts", "Conflicts", conflicts=told)

    # -- what is done ------------------------------------------------------------------------------------------------

    def _decide(self, fields: dict[str, str]) -> Reply:
        pair, verdict = _pair(fields.get("pair", "")), fields.get("verdict", "")
        if pair not in self.offered:
            raise Refused(409, "This pair has not been shown in this sitting. Open the page again.")
        if verdict == "skip":
            if self.waiting and self.waiting[0] == pair:
                self.waiting.rotate(-1)
            return _to("/")
        if verdict not in VERDICTS:
            raise Refused(400, "This form does not say what was decided.")
        note = fields.get("note", "").replace("\r\n", "\n").strip()
        try:
            (made,) = self.desk.decide([{"record_l": pair[0], "record_r": pair[1], "verdict": verdict, "note": note}])
        except ReviewRefused as refused:
            return self._show(pair, 422, mistake=str(refused), note=note)
        self.decided.append(made)
        if pair in self.kinds and pair in self.waiting:
            self.waiting.remove(pair)
        self.done = f"{KEPT} {WORDS[verdict]}."
        return _to("/")

    def _withdraw(self, fields: dict[str, str]) -> Reply:
        mine = self.desk.mine()
        found = mine.filter((mine["decision_id"] == fields.get("decision", "")) & mine["withdrawn_at"].is_null())
        if not found.height:
            raise Refused(409, "This is no decision of yours that stands.")
        self.desk.withdraw(found["decision_id"].to_list())
        self.decided = [one for one in self.decided if one != found["decision_id"].item()]
        pair = (found["record_l"].item(), found["record_r"].item())
        if pair in self.kinds and pair not in self.waiting:
            self.waiting.appendleft(pair)
        self.done = "Taken back."
        return _to("/")

    def _finish(self, fields: dict[str, str]) -> Reply:  # noqa: ARG002 - every form is given
        self.finished.set()
        return Reply(
            200, "The page is closed. What you decided is kept and takes effect the next night.\n", "text/plain"
        )


def _to(path: str) -> Reply:
    return Reply(303, more={"Location": path})


def _equal(told: str, known: str) -> bool:
    return hmac.compare_digest(told.encode(), known.encode())


def _pair(told: str) -> tuple[str, str]:
    left, _, right = told.partition(".")
    return left, right


# -- the server ------------------------------------------------------------------------------------------------------


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = SLOWEST
    server_version, sys_version = "Kinfold", ""

    def do_GET(self) -> None:
        self._reply(self.server.sitting.answer(Request("GET", self.path, self._headers())))

    def do_POST(self) -> None:
        length = self.headers.get("Content-Length", "")
        if not length.isascii() or not length.isdigit() or self.headers.get("Transfer-Encoding"):
            return self._reply(Reply(411, "A form says how long it is.\n", "text/plain"))
        if len(length) > 9 or int(length) > LARGEST:
            return self._reply(Reply(413, "This form is too long.\n", "text/plain"))
        body = self.rfile.read(int(length))
        self._reply(self.server.sitting.answer(Request("POST", self.path, self._headers(), body)))

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:  # noqa: ARG002
        """Answer what the library refuses, without quoting the request."""
        self.close_connection = True
        self._reply(Reply(code, "This request is not understood.\n", "text/plain"))

    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing: the audit log says who saw what."""

    def _headers(self) -> dict[str, str]:
        return {name.lower(): value for name, value in self.headers.items()}

    def _reply(self, reply: Reply) -> None:
        body = reply.body.encode("utf-8", "replace")
        self.send_response(reply.status)
        for name, value in {**HEADERS, **reply.more}.items():
            self.send_header(name, value)
        self.send_header("Content-Type", f"{reply.kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 16

    def __init__(self, sitting: Sitting, port: int) -> None:
        self.sitting = sitting
        super().__init__((HOST, port), _Handler)
        sitting.port = self.server_port

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002 - as the library calls it
        """Say where it stopped, and nothing of what it was about."""
        error = sys.exc_info()[1]
        if isinstance(error, Exception) and not isinstance(error, OSError):
            sys.stderr.write(f"The review page stopped on {place(error)}.\n")


@contextmanager
def serving(sitting: Sitting, port: int = 0) -> Iterator[Sitting]:
    """Answer on 127.0.0.1 for as long as the block lasts; port 0 takes any that is free."""
    server = _Server(sitting, port)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True)
    thread.start()
    try:
        yield sitting
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def wait(sitting: Sitting, idle: float = IDLE) -> bool:
    """Wait until the reviewer finishes; False where nothing was asked for so long that the page was closed."""
    while not sitting.finished.wait(1.0):
        if time.monotonic() - sitting.latest > idle:
            return False
    time.sleep(0.2)  # the last reply is on its way
    return True
