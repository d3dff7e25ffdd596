"""docker-compose.yml without Docker: by its schema, by what it mounts, and by running its very command lines."""

import http.server
import json
import re
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
import requests
import yaml

from generator import durations
from tests.clusters import Cluster, cluster
from tests.compiling import ROOT
from tests.exporters.running import Running
from tests.programs import free_port, program, run, started, until

Service = Mapping[str, Any]

# What a person says to start each platform.
PLATFORMS = {
    "fire22": {},
    "fastbreak": {"PLATFORM": "fastbreak", "BUSINESS_EXPORTERS": "0"},
}
EVERY = pytest.mark.parametrize("platform", PLATFORMS)
TEXT = (ROOT / "docker-compose.yml").read_text()


def composed(platform: str) -> dict[str, Any]:
    """The file as Compose reads it: variables filled in, anchors merged."""
    given = PLATFORMS[platform]

    def value(found: re.Match[str]) -> str:
        return "$" if found[0] == "$$" else given.get(found[1], found[2])

    text = re.sub(r"\$\$|\$\{([A-Z_]+):-([^}]*)\}", value, TEXT)
    assert "${" not in text
    loaded: dict[str, Any] = yaml.safe_load(text)
    return loaded


def services(platform: str) -> dict[str, Service]:
    """The services that this platform starts."""
    found: dict[str, Service] = composed(platform)["services"]
    return {name: service for name, service in found.items() if int(service.get("scale", 1)) > 0}


def listens(service: Service) -> int:
    """The port that a service answers its own health check on."""
    ports: list[str] = re.findall(r"127\.0\.0\.1:(\d+)", " ".join(service["healthcheck"]["test"]))
    assert len(ports) == 1
    return int(ports[0])


def mounts(service: Service) -> Iterator[tuple[str, str]]:
    """What is mounted where; a source that begins with a dot lies in the checkout, others are volumes."""
    for mount in service.get("volumes", ()):
        source, target = mount.split(":")[:2] if isinstance(mount, str) else (mount["source"], mount["target"])
        is_read_only = mount.endswith(":ro") if isinstance(mount, str) else mount["read_only"]
        assert is_read_only == source.startswith("."), mount
        yield source, target


@EVERY
def test_it_is_what_the_specification_allows(platform: str, tmp_path: Path) -> None:
    path = tmp_path / "docker-compose.json"
    path.write_text(json.dumps(composed(platform)))
    schema = ["--builtin-schema", "vendor.compose-spec"]
    run(sys.executable, "-m", "check_jsonschema", "--no-cache", *schema, path)


def test_every_image_is_pinned() -> None:
    for service in composed("fire22")["services"].values():
        built = service.get("build", {}).get("dockerfile_inline", "")
        images = re.findall(r"^FROM (\S+)", built, re.MULTILINE) or [service["image"]]
        # Two services that build one image under one name get into each other's way.
        assert bool(built) != ("image" in service)
        for image in images:
            assert re.search(r":v?\d+\.\d+(\.\d+)?(-[a-z]+)*$", image), image


def test_ports_answer_on_this_machine_alone() -> None:
    for service in services("fire22").values():
        for port in service.get("ports", ()):
            assert re.fullmatch(r"127\.0\.0\.1:\d+:\d+", port)
            assert int(port.rpartition(":")[2]) == listens(service)
        assert service.get("network_mode") is None


def test_every_service_is_confined_and_watched() -> None:
    for name, service in services("fire22").items():
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service["user"].split(":")[0] not in {"root", "0"}, name
        assert service["mem_limit"], name
        assert service["pids_limit"], name
        assert service["healthcheck"]["test"][0] == "CMD", name
        # Compose puts a config that stands in the file into no container whose root is read-only.
        assert service.get("read_only", False) != bool(service.get("configs")), name
        for condition in service.get("depends_on", {}).values():
            assert condition == {"condition": "service_healthy"}, name


def test_secrets_are_files_of_those_who_need_them() -> None:
    whole = composed("fire22")
    assert "/secrets/" in (ROOT / ".gitignore").read_text().splitlines()
    assert {name: secret["file"] for name, secret in whole["secrets"].items()} == {
        name: f"./secrets/{name}" for name in whole["secrets"]
    }
    for name, service in whole["services"].items():
        for key, value in service.get("environment", {}).items():
            assert not re.search("PASSWORD|SECRET|TOKEN|KEY|DSN", key) or key.endswith("_FILE"), key
            assert not key.endswith("_FILE") or value.startswith("/run/secrets/"), key
        said = json.dumps([service.get("command"), service.get("environment")])
        if service.get("configs"):
            said += json.dumps(whole["configs"])
        assert set(re.findall(r"/run/secrets/([\w-]+)", said)) == set(service.get("secrets", ())), name


@EVERY
def test_everything_mounted_is_there(platform: str) -> None:
    used = set()
    for name, service in services(platform).items():
        for source, target in mounts(service):
            assert target.startswith("/"), name
            if not source.startswith("."):
                used.add(source)
            elif not source.startswith("./secrets/"):
                assert (ROOT / source).is_dir(), source
    declared = set(composed(platform)["volumes"])
    assert used == declared if platform == "fire22" else used < declared


@EVERY
def test_the_business_exporter_runs_where_there_is_something_to_ask(platform: str) -> None:
    has_plan = (ROOT / "output" / platform / "exporter/business.yml").exists()
    assert ("business-exporter" in services(platform)) == has_plan


@EVERY
def test_services_are_called_as_the_generated_files_call_them(platform: str) -> None:
    output = ROOT / "output" / platform
    ports = {name: listens(service) for name, service in services(platform).items() if name != "postgres"}
    prometheus = yaml.safe_load((output / "prometheus/prometheus.yml").read_text())
    statics = [static for job in prometheus["scrape_configs"] for static in job["static_configs"]]
    statics += prometheus["alerting"]["alertmanagers"][0]["static_configs"]
    targets = [target.split(":") for static in statics for target in static["targets"]]
    (provisioned,) = (output / "grafana/provisioning/datasources").iterdir()
    sources = yaml.safe_load(provisioned.read_text())["datasources"]
    targets += [source["url"].removeprefix("http://").split(":") for source in sources]
    targets += re.findall(r"http://(\w+):(\d+);", (output / "proxy/nginx.conf").read_text())
    reached = {name: int(port) for name, port in targets if name in ports}
    assert reached == {name: port for name, port in ports.items() if name != "proxy"}


@EVERY
def test_alertmanager_remembers_longer_than_any_pause(platform: str) -> None:
    config = yaml.safe_load((ROOT / "output" / platform / "alertmanager/alertmanager.yml").read_text())
    # A route that speaks at one time of the day or week is silent until the next one, whatever its repeat_interval.
    silences = {
        named["name"]: "7d" if any("weekdays" in interval for interval in named["time_intervals"]) else "1d"
        for named in config.get("time_intervals", ())
    }
    pauses: list[int] = []

    def collect(route: Mapping[str, Any]) -> None:
        times = [silences[name] for name in route.get("active_time_intervals", ())]
        pauses.extend(durations.milliseconds(time) for time in [route.get("repeat_interval", "4h"), *times])
        for child in route.get("routes", ()):
            collect(child)

    collect(config["route"])
    assert platform != "fire22" or max(pauses) == durations.milliseconds("7d")
    (kept,) = re.findall(r"--data\.retention=(\w+)", " ".join(services(platform)["alertmanager"]["command"]))
    assert durations.milliseconds(kept) > max(pauses)


def test_the_exporters_image_copies_what_is_there() -> None:
    dockerfile = composed("fire22")["services"]["business-exporter"]["build"]["dockerfile_inline"]
    copied = [name for line in re.findall(r"^COPY (.*)$", dockerfile, re.MULTILINE) for name in line.split()[:-1]]
    assert copied
    assert not [name for name in copied if not (ROOT / name).exists()]
    assert f"--constraint {Path('.ci/constraints.txt').name} ." in dockerfile


# What follows runs the command lines, with the container's paths and ports exchanged for a test's.


def exchanged(words: list[str], given: Mapping[str, str]) -> list[str]:
    """A command line with parts replaced, each of which has to be there."""
    line = "\0".join(words)
    for old, new in given.items():
        assert old in line, old
        line = line.replace(old, new)
    return line.split("\0")


@EVERY
def test_prometheus_runs_as_composed(platform: str, tmp_path: Path) -> None:
    config = ROOT / "output" / platform / "prometheus"
    run(program("promtool"), "check", "config", config / "prometheus.yml")
    service = services(platform)["prometheus"]
    paths = {"/etc/prometheus/": f"{config}/", "path=/prometheus": f"path={tmp_path}"}
    port = free_port()
    command = [program("prometheus"), *exchanged(service["command"], paths), f"--web.listen-address=127.0.0.1:{port}"]
    with started(command, tmp_path / "log"):
        until(lambda: requests.get(f"http://127.0.0.1:{port}/-/ready", timeout=5).ok)


@EVERY
def test_alertmanager_runs_as_composed(platform: str, tmp_path: Path) -> None:
    config = ROOT / "output" / platform / "alertmanager"
    run(program("amtool"), "check-config", config / "alertmanager.yml")
    service = services(platform)["alertmanager"]
    paths = {"/etc/alertmanager/": f"{config}/", "path=/alertmanager": f"path={tmp_path}"}
    port = free_port()
    command = [program("prometheus-alertmanager", "alertmanager"), *exchanged(service["command"], paths)]
    with started([*command, f"--web.listen-address=127.0.0.1:{port}"], tmp_path / "log"):
        until(lambda: requests.get(f"http://127.0.0.1:{port}/-/ready", timeout=5).ok)


@pytest.fixture(scope="module")
def secrets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of secrets, made by the very lines of README.md."""
    folder = tmp_path_factory.mktemp("checkout")
    block = (ROOT / "README.md").read_text().partition("docker compose up")[0].rpartition("```console\n")[2]
    lines = [line.removeprefix("$ ") for line in block.splitlines() if line.startswith("$ ")]
    subprocess.run(["sh", "-euc", "\n".join(lines)], cwd=folder, check=True)
    return folder / "secrets"


def test_the_readme_makes_every_secret(secrets: Path) -> None:
    assert {path.name for path in secrets.iterdir()} == {*composed("fire22")["secrets"], "alertmanager"}
    assert secrets.stat().st_mode & 0o077 == 0
    for path in secrets.iterdir():
        # The programs run as users of their own; what keeps others out is the folder.
        assert path.stat().st_mode & 0o004, path


@pytest.fixture(scope="module")
def postgres() -> Iterator[Cluster]:
    command = composed("fire22")["services"]["postgres"]["command"]
    assert command[0] == "postgres"
    assert set(command[1::2]) == {"-c"}
    with cluster(**dict(setting.split("=", 1) for setting in command[2::2])) as running:
        yield running


def first_start(running: Cluster, platform: str, secrets: Path, folder: Path) -> str:
    """A new database as the container's first start makes it, by psql as the image calls it; its name."""
    whole = composed(platform)
    domains = str(ROOT / "domains" / platform)
    script = folder / "first-start.sql"
    (line,) = exchanged(
        [whole["configs"]["first-start"]["content"]], {"/domains": domains, "/run/secrets": str(secrets)}
    )
    script.write_text(line)
    database = str(whole["services"]["postgres"]["environment"]["POSTGRES_DB"])
    running.execute("DROP ROLE IF EXISTS monitoring", f"CREATE DATABASE {database}")
    run(
        running.programs / "psql", "-v", "ON_ERROR_STOP=1", "--no-psqlrc", "--no-password",
        f"{running.socket_dsn} dbname={database}", "-f", script,
    )  # fmt: skip
    return database


@pytest.fixture
def database(postgres: Cluster, request: pytest.FixtureRequest, secrets: Path, tmp_path: Path) -> Iterator[str]:
    name = first_start(postgres, getattr(request, "param", "fire22"), secrets, tmp_path)
    yield name
    postgres.execute(f"DROP DATABASE {name} WITH (FORCE)")


def test_the_first_start_makes_a_role_that_only_reads(postgres: Cluster, database: str) -> None:
    (stored,) = postgres.execute("SELECT rolpassword FROM pg_authid WHERE rolname = 'monitoring'")
    assert str(stored[0]).startswith("SCRAM-SHA-256$")
    with psycopg.connect(postgres.dsn("monitoring", database), autocommit=True) as connection:
        assert connection.execute("SELECT count(*) FROM settlements").fetchone() == (0,)
        for statement in ("DELETE FROM settlements", "CREATE TABLE other ()"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(statement)
        postgres.execute("CREATE TABLE later ()", database=database)
        connection.execute("SELECT * FROM later")


@pytest.mark.parametrize("database", ["fastbreak"], indirect=True)
def test_a_platform_without_a_schema_starts_empty(postgres: Cluster, database: str) -> None:
    with psycopg.connect(postgres.dsn("monitoring", database)) as connection:
        found = connection.execute("SELECT relname FROM pg_stat_user_tables").fetchall()
    assert found == []


@contextmanager
def exporter(name: str, running: Cluster, secrets: Path, folder: Path) -> Iterator[Running]:
    """An exporter by its command line, reading the database by the secret that README.md makes."""
    service = composed("fire22")["services"][name]
    dsn = folder / "dsn"
    (text,) = exchanged([(secrets / "dsn").read_text()], {"host=postgres ": f"host=127.0.0.1 port={running.port} "})
    dsn.write_text(text)
    port = free_port()
    given = {
        "/run/secrets/dsn": str(dsn),
        f"0.0.0.0:{listens(service)}": f"127.0.0.1:{port}",
        "/var/lib/tocsin-exporter": str(folder / "state"),
    }
    for source, target in mounts(service):
        if source.startswith("."):
            given[target] = str(ROOT / source)
    command = [sys.executable, "-m", "exporters", *exchanged(service["command"], given)]
    with started(command, folder / "log") as process:
        found = Running(process, f"http://127.0.0.1:{port}", folder / "log")
        until(lambda: requests.get(f"{found.url}/healthz", timeout=5).ok)
        check = exchanged(service["healthcheck"]["test"][1:], {f":{listens(service)}/": f":{port}/"})
        assert check[0] == "python"
        run(sys.executable, *check[1:])
        with found.session:
            yield found


def test_the_business_exporter_runs_as_composed(
    postgres: Cluster, database: str, secrets: Path, tmp_path: Path
) -> None:
    with exporter("business-exporter", postgres, secrets, tmp_path) as running:
        scrape = running.scrape()
        healths = scrape.samples("fire22_query_success")
    assert healths
    assert not [labels for labels, value in healths.items() if value != 1]


def test_the_postgres_exporter_runs_as_composed(
    postgres: Cluster, database: str, secrets: Path, tmp_path: Path
) -> None:
    with exporter("postgres-exporter", postgres, secrets, tmp_path) as running:
        scrape = running.scrape()
    assert not [labels for labels, value in scrape.samples("pg_query_success").items() if value != 1]
    assert scrape.value("pg_stat_statements_available") == 1


class Grafana(http.server.BaseHTTPRequestHandler):
    """Says what it was asked for."""

    def do_GET(self) -> None:
        body = f"{self.headers['Host']} {self.path}".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        pass


@contextmanager
def proxy(platform: str, folder: Path) -> Iterator[str]:
    """nginx by its command line, before something that answers as Grafana; its address."""
    service = composed(platform)["services"]["proxy"]
    ((source, target),) = mounts(service)
    port = free_port()
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Grafana) as grafana:
        thread = threading.Thread(target=grafana.serve_forever)
        thread.start()
        text = (ROOT / source / "nginx.conf").read_text()
        upstream = f"http://127.0.0.1:{grafana.server_address[1]};"
        (text,) = exchanged(
            [text],
            {
                f"listen {listens(service)};": f"listen 127.0.0.1:{port};",
                "http://grafana:3000;": upstream,
                "/tmp/": f"{folder}/",
            },
        )
        (folder / "nginx.conf").write_text(text)
        assert service["entrypoint"][0] == "nginx"
        command = [program("nginx", "/usr/sbin/nginx"), *exchanged(service["entrypoint"][1:], {target: str(folder)})]
        try:
            run(*command, "-t")
            with started(command, folder / "log"):
                url = f"http://127.0.0.1:{port}"
                until(lambda: requests.get(f"{url}/api/health", timeout=5).ok)
                yield url
        finally:
            grafana.shutdown()
            thread.join()


@EVERY
def test_each_dashboard_is_at_its_domains_address(platform: str, tmp_path: Path) -> None:
    written = {path.stem: yaml.safe_load(path.read_text()) for path in (ROOT / "domains" / platform).glob("*.yaml")}
    addresses = {name: file["dashboard"]["path"] for name, file in written.items() if "dashboard" in file}
    assert len(addresses) >= 7
    with proxy(platform, tmp_path) as url, requests.Session() as session:
        for name, address in addresses.items():
            dashboard = ROOT / "output" / platform / "grafana/dashboards" / f"{name}.json"
            uid = json.loads(dashboard.read_text())["uid"]
            for asked in (address, f"{address}/"):
                answer = session.get(f"{url}{asked}?from=now-1h", allow_redirects=False, timeout=10)
                assert (answer.status_code, answer.headers["Location"]) == (302, f"/d/{uid}?from=now-1h")
            host = url.removeprefix("http://")
            assert session.get(f"{url}{address}", timeout=10).text == f"{host} /d/{uid}"
        for other in ("/", "/login", "/monitoring/nobody", "/public/a%20b.js?c=d"):
            assert session.get(f"{url}{other}", timeout=10).text == f"{host} {other}"
