"""What all measurements stand on: programs built, data generated, children run and checked."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
JOBS = ROOT / "benches" / "jobs"
NAMES = {100_000: "S", 1_000_000: "M", 10_000_000: "L"}


def scale(rows):
    return NAMES.get(rows, f"{rows:,}")


class Failed(Exception):
    """A program ended as it should not, or left what it should not."""


class Bench:
    """The programs under test and a folder for what they read and write."""

    def __init__(self, work=None, binary=None):
        target = Path(os.environ.get("CARGO_TARGET_DIR", Path.home() / ".cache" / "syncline-target")).absolute()
        self.work = Path(work or target / "compare").absolute()
        self.work.mkdir(parents=True, exist_ok=True)
        self._cargo(target, "--package", "workload")
        self.workload = target / "release" / "workload"
        if binary is None:
            self._cargo(target, "--example", "sync_files")
            binary = target / "release" / "examples" / "sync_files"
        self.binary = Path(binary).absolute()
        # The cores that this process may use; children are pinned to some of them.
        self.cores = sorted(os.sched_getaffinity(0))
        sources = sorted((ROOT / "benches" / "workload" / "src").glob("*.rs"))
        # Data of another generator is other data.
        self.generator = f"{hash_of(b''.join(source.read_bytes() for source in sources)):08x}"

    @staticmethod
    def _cargo(target, *what):
        environment = os.environ | {"CARGO_TARGET_DIR": str(target)}
        subprocess.run(["cargo", "build", "--locked", "--release", "--quiet", *what], cwd=ROOT, env=environment, check=True)

    def generated(self, name, *arguments):
        """A folder of data; `arguments` are those of the generator, without the folder."""
        folder = self.work / f"{name}-{self.generator}"
        if not folder.exists():
            half = self.work / f"{name}.new"
            shutil.rmtree(half, ignore_errors=True)
            words = [str(half) if word == "DIR" else str(word) for word in arguments]
            subprocess.run([self.workload, *words], check=True, stdout=subprocess.DEVNULL)
            half.rename(folder)
        return folder

    def data(self, rows, accounts=None):
        options = [] if accounts is None else ["--accounts", accounts]
        of = "" if accounts is None else f"-of-{accounts}"
        return self.generated(f"data-{rows}{of}", "generate", rows, "DIR", *options)

    def out(self):
        """An empty folder for what a program writes."""
        folder = self.work / "out"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        return folder

    def measure(self, command, threads, codes=(0,)):
        """Runs a command on so many cores: its exit code, `wall` and `cpu` in seconds, `peak` in MB."""
        cpus = ",".join(str(core) for core in self.cores[:threads])
        log = self.work / "log"
        runner = [sys.executable, "-I", "-S", HERE / "child.py", cpus, log, *command]
        done = subprocess.run([str(word) for word in runner], check=True, text=True, stdout=subprocess.PIPE)
        found = json.loads(done.stdout)
        if found["code"] not in codes:
            said = log.read_text(errors="replace")[-2000:]
            raise Failed(f"{' '.join(str(word) for word in command)}\nended with {found['code']}:\n{said}")
        return found

    def sync(self, job, data, threads, binary=None, out=None, codes=(0, 2)):
        """Runs a job; some records rejected are no failure. The report comes back too."""
        out = out or self.out()
        report = out / "report.json"
        found = self.measure(
            [binary or self.binary, job, "--data", data, "--out", out, "--threads", threads, "--report", report], threads, codes
        )
        return found | {"report": json.loads(report.read_text())}

    def verify(self, job, out):
        """What a program left behind, as counts and checksums in one line."""
        done = subprocess.run([self.workload, "verify", job, out], text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        if done.returncode:
            raise Failed(done.stderr.strip())
        return done.stdout.strip()


def expected(job, rows):
    """The line that `verify` must give, or `None` if none is known for so many rows."""
    prefix = f"{rows} {job} "
    for line in (ROOT / "benches" / "expected.txt").read_text().splitlines():
        if line.startswith(prefix):
            return line[len(f"{rows} ") :]
    return None


def hash_of(data):
    """FNV-1a in 32 bits: a name for some bytes."""
    value = 0x811C9DC5
    for byte in data:
        value = ((value ^ byte) * 0x01000193) & 0xFFFFFFFF
    return value


def machine():
    """Processor, cores, memory and system, in one line."""
    facts = dict(
        line.split(":", 1) for line in Path("/proc/cpuinfo").read_text().split("\n\n")[0].splitlines() if ":" in line
    )
    model = next((value.strip() for key, value in facts.items() if key.strip() == "model name"), "unknown processor")
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    rustc = subprocess.run(["rustc", "--version"], cwd=ROOT, text=True, stdout=subprocess.PIPE).stdout.split()
    rust = rustc[1] if len(rustc) > 1 else "?"
    system = f"{os.uname().sysname} {os.uname().release}"
    return f"{model}, {len(os.sched_getaffinity(0))} cores, {memory:.0f} GiB, {system}, rustc {rust}, Python {sys.version.split()[0]}"
