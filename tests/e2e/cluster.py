"""A throw-away SLURM of one node, without accounting, as any user: for tests and for trying the profile by hand.

    python tests/e2e/cluster.py FOLDER -- snakemake --workflow-profile profiles/slurm ...

starts it, runs the command in it and stops it. All its state is in FOLDER. GPUs are pretended: SLURM counts them, no
program finds any. Needs Debian's slurmctld, slurmd, slurm-client and munge (envs/install_slurm.sh).
"""

import argparse
import contextlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

CLIENTS = ("srun", "sbatch", "squeue", "scancel", "scontrol", "sinfo", "sacct", "sacctmgr", "sshare")
SERVERS = ("munged", "slurmctld", "slurmd")
READY = ("idle", "mixed", "allocated")
GPU_DEVICE = "/dev/null"  # SLURM wants a device file to count
# cred_expire: a job of a node that died waits for so long (usually 120 s) before it starts anew.
CONFIG = """\
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={control_port}
SlurmdPort={node_port}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket,cred_expire=20
CryptoType=crypto/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
ReturnToService=2
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerType=sched/builtin
SchedulerParameters=batch_sched_delay=0,sched_min_interval=0,sched_interval=5,defer_batch
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MinJobAge=300
KillWait=5
SlurmdTimeout=10
MailProg=/bin/true
GresTypes=gpu
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory={memory_mb} State=UNKNOWN Gres=gpu:{gpus}
PartitionName=main Nodes={host} Default=YES MaxTime=INFINITE State=UP
"""


def missing_programs():
    """Names of the programs that it needs and that are not installed."""
    return [name for name in (*SERVERS, "sbatch", "srun", "squeue") if not _find(name)]


def _find(name):
    return shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin:/sbin")


def _free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


class Cluster:
    """The cluster; a context manager.

    Attributes
    ----------
    environment : dict of str to str
        For programs that are to find it.
    """

    def __init__(self, folder, gpus=1):
        self.folder, self.gpus, self.processes = Path(folder).absolute(), gpus, {}
        self.environment = self.inside(os.environ)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stop()

    def inside(self, environment):
        """An environment in which programs find this cluster."""
        path = f"{self.folder}/bin{os.pathsep}{environment['PATH']}"
        return dict(environment, SLURM_CONF=f"{self.folder}/slurm.conf", PATH=path)

    def start(self):
        """Start its three servers and wait for the node; raises `RuntimeError` with their words if it does not come."""
        for name, mode in (("munge", 0o711), ("state", 0o700), ("spool", 0o755), ("bin", 0o755)):
            (self.folder / name).mkdir(parents=True, mode=mode)
        key = self.folder / "munge/key"
        key.write_bytes(secrets.token_bytes(1024))
        key.chmod(0o600)
        self._write_config()
        self._write_clients()
        munge = [f"--{name}-file={self.folder}/munge/{name}" for name in ("key", "pid", "log", "seed")]
        self._serve("munged", "--foreground", "--force", f"--socket={self.folder}/munge/socket", *munge)
        _wait_for((self.folder / "munge/socket").exists, 10)
        self._serve("slurmctld", "-D", "-c")
        self.start_node()

    def start_node(self):
        """Start the node's daemon, again after `kill_node`."""
        self._serve("slurmd", "-D", "-c")
        if not _wait_for(lambda: self.ask("sinfo", "-h", "-o", "%T").strip() in READY, 60):
            words = "\n".join((self.folder / f"{name}.out").read_text()[-1500:] for name in SERVERS)
            self.stop()
            raise RuntimeError(f"SLURM did not start: {words}")

    def kill_node(self):
        """Kill the node's daemon and everything it runs, as a power cut would."""
        node = self.processes.pop("slurmd")
        node.kill()
        node.wait()
        # Stopped first, until there are no new ones: one that goes on could start another while the list is read.
        found = set()
        while new := self._jobs_processes() - found:
            _signal(new, signal.SIGSTOP)
            found |= new
        _signal(found, signal.SIGKILL)

    def ask(self, *words):
        """Output of one of SLURM's commands; empty where it fails."""
        done = subprocess.run(words, env=self.environment, capture_output=True, text=True, check=False)
        return done.stdout if done.returncode == 0 else ""

    def stop(self):
        """End the jobs, then the servers, each by its process id."""
        if "slurmctld" in self.processes:
            self.ask("scancel", "--user", str(os.getuid()))
            _wait_for(lambda: not self.ask("squeue", "-h").strip(), 15)
        for name in reversed(list(self.processes)):
            process = self.processes.pop(name)
            process.terminate()
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _jobs_processes(self):
        """Process ids of the steps' managers and all that they have started."""
        import psutil

        found = set()
        for process in psutil.process_iter(["name"]):
            with contextlib.suppress(psutil.Error):  # gone, or somebody else's
                name = process.info["name"] or ""
                if (
                    name.startswith("slurmstepd")
                    and process.environ().get("SLURM_CONF") == self.environment["SLURM_CONF"]
                ):
                    found |= {one.pid for one in process.children(recursive=True)} | {process.pid}
        return found

    def _serve(self, name, *words):
        with (self.folder / f"{name}.out").open("ab") as out:
            self.processes[name] = subprocess.Popen(
                [_find(name), *words],
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
            )

    def _write_config(self):
        host = socket.gethostname().split(".")[0]
        pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        text = CONFIG.format(
            folder=self.folder,
            host=host,
            control_port=_free_port(),
            node_port=_free_port(),
            user=subprocess.check_output(["id", "-un"], text=True).strip(),
            cpus=os.cpu_count(),
            memory_mb=int(0.9 * pages / 2**20),
            gpus=self.gpus,
        )
        (self.folder / "slurm.conf").write_text(text)
        (self.folder / "gres.conf").write_text(f"NodeName={host} Name=gpu File={GPU_DEVICE}\n")

    def _write_clients(self):
        """SLURM's commands, each with the place of the configuration: Snakemake's job steps start from an environment
        without any SLURM_* variable."""
        for name in CLIENTS:
            if real := shutil.which(name):
                file = self.folder / "bin" / name
                file.write_text(f'#!/bin/sh\nSLURM_CONF={self.folder}/slurm.conf exec {real} "$@"\n')
                file.chmod(0o755)


def _signal(pids, what):
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, what)


def _wait_for(condition, seconds):
    """Wait until `condition` holds; whether it does."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.2)
    return True


def main():
    """Run a command in a cluster of its own."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="new folder for its state")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    args = parser.parse_args()
    if missing := missing_programs():
        sys.exit(f"ERROR: {', '.join(missing)} not installed: envs/install_slurm.sh")
    with Cluster(args.folder) as cluster:
        words = args.command[1:] if args.command[:1] == ["--"] else args.command
        sys.exit(subprocess.call(words, env=cluster.environment))


if __name__ == "__main__":
    main()
