"""The demo: a deployment of three agencies and five cameras, from nothing to the answers of two searches.

Called by scripts/demo. Everything is done with the `sightline` command, the way anybody would; what it prints with --json
is what this prints. The deployment lives in a folder of its own and is removed at the end unless --keep is given.
"""

import argparse
import concurrent.futures
import contextlib
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

# A synthetic town with nobody real in it (footage/README.md). Each clip begins when the child comes to that place, or is about to.
FOOTAGE = pathlib.Path(__file__).resolve().parents[1] / "footage" / "town"
FROM, TO = "2026-03-01T08:00:00Z", "2026-03-01T09:00:00Z"
AGENCIES = {"city": "City", "transport": "Transport authority", "school": "School board"}
CAMERAS = [
    ("square", "city", "Market square", "square.mp4", "2026-03-01T08:30:08Z"),
    ("lane", "city", "Baker's lane", "lane.mp4", "2026-03-01T08:30:38Z"),
    ("hall", "transport", "Station, hall", "hall.mp4", "2026-03-01T08:31:06Z"),
    ("stop", "transport", "Bus stop, Mill Street", "stop.mp4", "2026-03-01T08:31:26Z"),
    ("yard", "school", "School, yard", "yard.mp4", "2026-03-01T08:31:27Z"),
]
STORY = "A child was lost at the market square: about a metre tall, in a yellow jacket and blue shorts."
DESCRIPTION = ["--class", "person", "--upper", "yellow", "--lower", "blue"]
IN_WORDS = "a person, yellow above the waist and blue below"
LIMIT = 20
SHOWN = 8
READY_WITHIN = 60
STOPPED_WITHIN = 20


class Failed(Exception):
    """What could not be done, and what to do about it."""

    def __init__(self, message, hint=None):
        super().__init__(message)
        self.hint = hint


def main():
    options = parse()
    for ended in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(ended, lambda *_: sys.exit(130))
    folder = options.cache.absolute() / "demo"
    folder.mkdir(parents=True, exist_ok=True)
    home = pathlib.Path(tempfile.mkdtemp(prefix="home-", dir=folder))
    try:
        result = Demo(options, folder, home).run()
    except Failed as failed:
        print(f"error: {failed}", file=sys.stderr)
        if failed.hint:
            print(f"hint: {failed.hint}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"error: {error}\nhint: is there room in {folder}, and is {options.binary} there?", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    finally:
        if options.keep:
            say(f"\nthe deployment is kept: SIGHTLINE_HOME={home} {options.binary} serve")
            say(f"and in a browser:       SIGHTLINE_HOME={home} {options.binary} console")
        else:
            shutil.rmtree(home, ignore_errors=True)
            home.with_name(f"{home.name}.high-water").unlink(missing_ok=True)  # lies beside a home folder
    if options.json:
        print(json.dumps(result))
    return 0


def parse():
    parser = argparse.ArgumentParser(prog="scripts/demo", description="Indexes five cameras of three agencies and finds a lost child.")
    parser.add_argument("--binary", type=pathlib.Path, required=True, help=argparse.SUPPRESS)
    parser.add_argument("--cache", type=pathlib.Path, required=True, help=argparse.SUPPRESS)
    parser.add_argument("--json", action="store_true", help="print one JSON object last, on stdout")
    parser.add_argument("--keep", action="store_true", help="leave the deployment for you to try things on")
    return parser.parse_args()


class Demo:
    def __init__(self, options, folder, home):
        self.binary, self.folder, self.home = options.binary.absolute(), folder, home
        self.seconds = {}
        self.server = []

    def run(self):
        with self.step("init"):
            self.sightline("init", "--demo")
            self.listen_anywhere()
        with self.serving():
            with self.step("register"):
                for agency, title in AGENCIES.items():
                    self.sightline("agency", "add", agency, "--title", title)
                for camera, agency, title, _, _ in CAMERAS:
                    self.sightline("camera", "add", camera, "--agency", agency, "--title", title)
            say(STORY)
            say(f"{len(CAMERAS)} cameras of {len(AGENCIES)} agencies; indexing their footage")
            with self.step("index"):
                jobs = self.index()
            with self.step("case"):
                case = self.case()
            say(f"case {case} (missing person) is authorised\n\nby description: {IN_WORDS}")
            with self.step("search_description"):
                described = self.search(case, "description", *DESCRIPTION)
            show(described)
            example = next((hit for hit in described["hits"] if hit["camera"] == CAMERAS[0][0]), None)
            if example is None:
                raise Failed(f"camera {CAMERAS[0][0]} has no sighting of {IN_WORDS}", f"the server's log is {self.log}")
            say(f"\nby example: like the sighting of {CAMERAS[0][0]} at {clock(example)}")
            with self.step("search_example"):
                alike = self.search(case, "example", "--class", "person", "--like", example["sighting"])
            show(alike)
        footage = sum(job["total_s"] or job["done_s"] for job in jobs)
        sightings = sum(job["sightings"] for job in jobs)
        say(f"\n{len(CAMERAS)} cameras, {footage:.1f} s of footage, {sightings} sightings in {self.seconds['index']:.1f} s")
        say("seconds by step: " + ", ".join(f"{name} {seconds:.2f}" for name, seconds in self.seconds.items()))
        say(f"contact sheets: {described['contact_sheet']}\n                {alike['contact_sheet']}")
        return {
            "cameras": len(CAMERAS),
            "footage_seconds": round(footage, 3),
            "sightings": sightings,
            "description_hits": brief(described),
            "example_hits": brief(alike),
            "seconds": {name: round(seconds, 3) for name, seconds in self.seconds.items()},
            "contact_sheets": [described["contact_sheet"], alike["contact_sheet"]],
        }

    @property
    def log(self):
        return self.folder / "server.log"

    def sightline(self, *words):
        """One command of the CLI; its answer."""
        command = [self.binary, "--home", self.home, "--json", *self.server, *words]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        if done.returncode == 0:
            return json.loads(done.stdout)
        raise self.failed(f"sightline {' '.join(map(str, words[:2]))}", done.stderr)

    def failed(self, what, said):
        """The error that a command wrote as the last line of JSON on stderr."""
        last = "".join(said.strip().splitlines()[-1:])
        try:
            failure = json.loads(last)
            because = "".join(f": {cause}" for cause in failure["causes"])
            return Failed(f"{what}: {failure['error']}{because}", failure["hint"])
        except (ValueError, KeyError, TypeError):
            return Failed(f"{what}: {last or 'it failed without a word'}", f"the server's log is {self.log}")

    def listen_anywhere(self):
        """On a free port, so that the demo stands in nobody's way."""
        config = self.home / "sightline.toml"
        text, changed = re.subn(r'(?m)^listen = "127\.0\.0\.1:\d+"$', 'listen = "127.0.0.1:0"', config.read_text(), count=1)
        if not changed:
            raise Failed(f"{config} has no address to listen on that this knows how to change")
        config.write_text(text)

    @contextlib.contextmanager
    def serving(self):
        """A server for as long as this lasts."""
        with open(self.log, "w") as log:
            command = [self.binary, "--home", self.home, "--json", "serve"]
            server = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, text=True)
            try:
                with self.step("serve"):
                    self.server = ["--server", self.address(server)]
                yield
            finally:
                server.terminate()
                try:
                    server.wait(STOPPED_WITHIN)
                except subprocess.TimeoutExpired:
                    server.kill()
                    server.wait()
                server.stdout.close()
        if server.returncode != 0:
            raise Failed(f"the server ended with {server.returncode}", f"its log is {self.log}")

    def address(self, server):
        """Where it listens; it says so once it answers."""
        with concurrent.futures.ThreadPoolExecutor(1) as waiting:
            line = waiting.submit(server.stdout.readline)
            try:
                return json.loads(line.result(READY_WITHIN))["listening"]
            except (concurrent.futures.TimeoutError, ValueError, KeyError):
                server.kill()  # which ends the waiting for its first line as well
                raise self.failed("sightline serve", self.log.read_text()) from None

    def index(self):
        """Every camera's footage at once; how many are worked on at a time is the server's affair."""
        pool = concurrent.futures.ThreadPoolExecutor(len(CAMERAS))
        try:
            running = [pool.submit(self.add, *camera) for camera in CAMERAS]
            for done in concurrent.futures.as_completed(running):
                job = done.result()
                length = job["total_s"] or job["done_s"]
                say(f"  {job['camera']:8} {length:5.1f} s of footage {job['sightings']:4} sightings {job['speed']:5.1f} x real time")
            return [done.result() for done in running]
        finally:
            pool.shutdown(wait=False, cancel_futures=True)  # one that failed does not wait for the others

    def add(self, camera, _agency, _title, file, start):
        answer = self.sightline("archive", "add", FOOTAGE / file, "--camera", camera, "--start", start, "--wait")
        return answer["jobs"][0]

    def case(self):
        opened = self.sightline(
            "case", "open", "--purpose", "missing-person", "--class", "person", "--from", FROM, "--to", TO,
            *(word for agency in AGENCIES for word in ("--agency", agency)),
            "--legal-basis", "demonstration on synthetic footage",
            "--reason", "a child was lost at the market square",
        )  # fmt: skip
        self.sightline("case", "authorise", opened["id"], "--yes")
        return opened["id"]

    def search(self, case, name, *what):
        sheet = self.folder / f"by-{name}.png"
        return self.sightline("search", "--case", case, *what, "--limit", str(LIMIT), "--contact-sheet", sheet)

    @contextlib.contextmanager
    def step(self, name):
        started = time.monotonic()
        yield
        self.seconds[name] = time.monotonic() - started


def show(answer):
    for hit in answer["hits"][:SHOWN]:
        why = ", ".join(f"{match['part']} {match['word']}" for match in hit["matched"])
        when = f"{clock(hit)} ± {hit['uncertainty_s'] or 0:.1f} s"
        say(f"  {hit['rank']:2}  {hit['camera']:8} {when}  score {hit['score']:.2f}  {why}".rstrip())
    left = len(answer["hits"]) - SHOWN
    if left > 0:
        say(f"      and {left} more")
    searched = "exact" if answer["exact"] else "not exact: some may be missing"
    say(f"  {len(answer['hits'])} possible sightings in {answer['seconds']['total'] * 1000:.0f} ms, {searched}")


def at(hit):
    return hit["time"] or hit["first"] or "an unknown time"


def clock(hit):
    """2026-03-01 08:30:00.5, as fine as people need it."""
    date, _, rest = at(hit).rstrip("Z").partition("T")
    whole, _, fraction = rest.partition(".")
    return f"{date} {whole}.{(fraction + '0')[0]}"


def brief(answer):
    return [{"camera": hit["camera"], "time": at(hit), "score": round(hit["score"], 4)} for hit in answer["hits"]]


def say(line):
    print(line, file=sys.stderr if "--json" in sys.argv else sys.stdout, flush=True)


if __name__ == "__main__":
    os.umask(0o077)
    sys.exit(main())
