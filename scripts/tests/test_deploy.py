"""What deploy/ names must be there: configuration keys, environment, commands, files, networks. No container is started."""

import configparser
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
import unittest
import urllib.parse

try:
    import yaml
except ImportError:
    yaml = None

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
DEPLOY = ROOT / "deploy"
CITY = DEPLOY / "city"
TEMPLATE = tomllib.loads((ROOT / "crates/server/src/config/sightline.toml").read_text())
# With a compose.yaml each.
FOLDERS = [DEPLOY, CITY]
# Variables of Sightline's own that its sources read.
VARIABLES = set(re.findall(r'"(SIGHTLINE_[A-Z]+)"', "".join(p.read_text() for p in (ROOT / "crates").glob("*/src/**/*.rs"))))
# Those of libraries: the log's filter, and whose certificates are believed.
OTHERS = {"RUST_LOG", "SSL_CERT_FILE", "SSL_CERT_DIR"}
COMMANDS = set(re.findall(r"^    ([A-Z]\w+)\(", (ROOT / "crates/cli/src/commands.rs").read_text(), re.M))


def units():
    for path in sorted((DEPLOY / "systemd").glob("*.service")):
        unit = configparser.ConfigParser(strict=False, interpolation=None, comment_prefixes="#", delimiters="=")
        unit.optionxform = str
        unit.read(path)
        # configparser keeps the last of several; all are wanted here.
        environment = re.findall(r"^Environment=(\w+)=(.*)$", path.read_text(), re.M)
        yield path.name, unit, dict(environment)


def analyze(*words):
    return subprocess.run(["systemd-analyze", *words], capture_output=True, text=True)


def command(words):
    """A command of the program, as its subcommand is called in the sources."""
    return words[0].title()


class Keys(unittest.TestCase):
    def test_every_key_of_the_containers_configurations_is_one_of_the_template(self):
        for file in [DEPLOY / "sightline.toml", CITY / "server.toml"]:
            for section, keys in tomllib.loads(file.read_text()).items():
                for key, value in keys.items():
                    self.assertIn(key, TEMPLATE.get(section, {}), f"{file.name}: {section}")
                    self.assertIs(type(value), type(TEMPLATE[section][key]), f"{file.name}: {section}.{key}")
                    self.assertNotEqual(value, TEMPLATE[section][key], f"{file.name}: {section}.{key} is the default")


class Units(unittest.TestCase):
    def test_they_run_commands_that_there_are_with_variables_that_are_read(self):
        seen = []
        for name, unit, environment in units():
            program, *words = unit["Service"]["ExecStart"].split()
            seen.append(words[0])
            self.assertEqual(program, "/usr/local/bin/sightline", name)
            self.assertIn(command(words), COMMANDS, name)
            for variable in environment:
                self.assertTrue(variable in OTHERS | VARIABLES, f"{name}: {variable}")
            self.assertEqual(environment["SIGHTLINE_HOME"], "/var/lib/" + unit["Service"]["StateDirectory"].split()[0])
            self.assertEqual(environment["SIGHTLINE_CACHE"], "/var/cache/" + unit["Service"]["CacheDirectory"])
            for variable in re.findall(r"\$\{(\w+)\}", unit["Service"]["ExecStart"]):
                self.assertIn("EnvironmentFile", unit["Service"], f"{name}: where does {variable} come from?")
        self.assertEqual(sorted(seen), ["ingest", "serve"])

    @unittest.skipUnless(shutil.which("systemd-analyze"), "systemd is not installed")
    def test_systemd_understands_every_line_and_finds_them_confined(self):
        with tempfile.TemporaryDirectory() as folder:
            for path in sorted((DEPLOY / "systemd").glob("*.service")):
                # The program need not be installed here.
                staged = pathlib.Path(folder) / path.name
                staged.write_text(path.read_text().replace("/usr/local/bin/sightline", "/usr/bin/true"))
                told = analyze("verify", "--man=no", staged)
                # It also tells of other units of this machine.
                said = [line for line in (told.stdout + told.stderr).splitlines() if path.name in line]
                self.assertEqual(said, [])
                # In tenths, from 0 (all is closed) to 100.
                told = analyze("security", "--offline=true", "--threshold=20", "--no-pager", staged)
                self.assertEqual(told.returncode, 0, f"{path.name}: {told.stdout[-200:]}{told.stderr}")

    def test_they_are_hardened_and_give_the_program_time_to_stop(self):
        wanted = {
            "NoNewPrivileges": "yes", "ProtectSystem": "strict", "PrivateTmp": "yes", "CapabilityBoundingSet": "",
            "SystemCallFilter": "@system-service landlock_create_ruleset landlock_add_rule landlock_restrict_self seccomp",
            "RestrictNamespaces": "yes", "UMask": "0077", "StateDirectoryMode": "0700",
            "Type": "notify", "WatchdogSec": "60", "Restart": "on-failure", "IPAddressDeny": "any", "IPAddressAllow": "localhost",
        }
        for name, unit, _ in units():
            service = unit["Service"]
            for key, value in wanted.items():
                self.assertEqual(service.get(key), value, f"{name}: {key}")
            self.assertGreater(int(service["TimeoutStopSec"]), TEMPLATE["server"]["shutdown_seconds"], name)


def load(folder):
    compose = yaml.safe_load((folder / "compose.yaml").read_text())
    return compose, compose["services"]


class Compose(unittest.TestCase):
    def setUp(self):
        if yaml is None:
            print("SKIPPED: there is no PyYAML; install python3-yaml", file=sys.stderr)
            self.skipTest("no PyYAML")

    def test_what_a_service_names_is_declared(self):
        for folder in FOLDERS:
            compose, services = load(folder)
            for name, service in services.items():
                for secret in service.get("secrets", []):
                    self.assertIn(secret, compose["secrets"], name)
                for network in service.get("networks", []):
                    self.assertIn(network, compose["networks"], name)
                for other in service.get("depends_on", []):
                    self.assertIn(other, services, name)
                if service.get("network_mode", "").startswith("service:"):
                    self.assertIn(service["network_mode"].removeprefix("service:"), services, name)
                for volume in service.get("volumes", []):
                    source, target = re.sub(r"\$\{[^}]*\}", "footage", volume).split(":")[:2]
                    self.assertTrue(target.startswith("/"), volume)
                    if source.startswith("."):
                        self.assertTrue((folder / source).exists(), volume)
                    elif not volume.startswith("${"):
                        self.assertIn(source, compose["volumes"], name)
                for secret in re.findall(r"/run/secrets/(\w+)", str(service)):
                    self.assertIn(secret, service["secrets"], name)

    def test_images_are_pinned_and_what_is_built_is_there(self):
        for folder in FOLDERS:
            for name, service in load(folder)[1].items():
                if "build" in service:
                    context = folder / service["build"]["context"]
                    self.assertEqual(context.resolve(), ROOT)
                    self.assertTrue((context / service["build"]["dockerfile"]).is_file())
                else:
                    self.assertRegex(service["image"], r":v?\d+\.\d+(\.\d+)?$", name)

    def test_sightline_s_services_run_commands_that_there_are_with_variables_that_are_read(self):
        image = (DEPLOY / "Dockerfile").read_text()
        made = dict(re.findall(r"(SIGHTLINE_\w+)=(\S+)", image))
        for folder, names in [(DEPLOY, ["sightline", "worker"]), (CITY, ["server-1", "server-2", "worker-1", "worker-2"])]:
            services = load(folder)[1]
            self.assertEqual([name for name, service in services.items() if "build" in service], names)
            for name in names:
                service = services[name]
                self.assertIn(command(service["command"]), COMMANDS)
                targets = [volume.split(":")[1] for volume in service["volumes"] if "${" not in volume]
                # A server keeps its log's mark apart from its home folder; a worker has no log.
                mark = [] if name.startswith("worker") else [made["SIGHTLINE_HOME"] + "-mark"]
                self.assertEqual(sorted([*made.values(), *mark]), sorted(targets), name)
                for variable in [*made, *service["environment"]]:
                    self.assertIn(variable, OTHERS | VARIABLES)
                self.assertGreater(int(service["stop_grace_period"].rstrip("s")), TEMPLATE["server"]["shutdown_seconds"])

    def test_a_volume_s_folder_is_the_account_s_own_in_the_image(self):
        image = (DEPLOY / "Dockerfile").read_text()
        folders = re.search(r"install -d -m 0700 -o sightline (.*)", image).group(1).split()
        for folder in FOLDERS:
            for service in load(folder)[1].values():
                if "build" in service:
                    targets = [volume.split(":")[1] for volume in service["volumes"] if "${" not in volume]
                    self.assertLessEqual(set(targets), set(folders))

    def test_no_two_containers_share_a_home_folder(self):
        for folder in FOLDERS:
            homes = [v.split(":")[0] for s in load(folder)[1].values() for v in s.get("volumes", []) if "/var/lib/sightline" in v]
            self.assertEqual(len(homes), len(set(homes)), homes)

    def test_the_index_is_a_cluster_that_nobody_but_the_servers_reaches(self):
        for folder, server in [(DEPLOY, "sightline"), (CITY, "server-1")]:
            services = load(folder)[1]
            qdrant = services["qdrant"]
            self.assertEqual(qdrant["environment"]["QDRANT__CLUSTER__ENABLED"], "true")
            self.assertIn("--uri http://qdrant:6335", qdrant["command"][0])
            self.assertTrue(set(qdrant["networks"]) & set(services[server]["networks"]))
            self.assertEqual(qdrant.get("ports", []), [])

    def test_the_configuration_of_one_server_finds_the_services_it_names(self):
        services = load(DEPLOY)[1]
        configured = tomllib.loads((DEPLOY / "sightline.toml").read_text())
        self.assertEqual(configured["index"]["url"], "http://qdrant:6334")
        key = pathlib.PurePath(configured["index"]["api_key_file"]).name
        self.assertIn(key, services["qdrant"]["secrets"])
        self.assertIn(key, services["sightline"]["secrets"])
        port = configured["server"]["listen"].split(":")[1]
        self.assertTrue(any(p.endswith(":" + port) for p in services["sightline"]["ports"]))
        self.assertEqual(services["worker"]["command"][-1], f"sightline:{port}")

    def test_the_configuration_of_a_city_s_server_finds_the_services_it_names(self):
        compose, services = load(CITY)
        configured = tomllib.loads((CITY / "server.toml").read_text())
        for n in (1, 2):
            server = services[f"server-{n}"]
            database = urllib.parse.urlsplit(configured["database"]["url"])
            query = urllib.parse.parse_qs(database.query)
            postgres = services[database.hostname]
            self.assertEqual(postgres["environment"]["POSTGRES_USER"], database.username)
            self.assertEqual(postgres["environment"]["POSTGRES_DB"], database.path.removeprefix("/"))
            self.assertEqual(query["sslmode"], ["verify-full"])
            self.assertEqual(query["sslrootcert"], [server["environment"]["SSL_CERT_FILE"]])
            s3 = urllib.parse.urlsplit(configured["crops"]["endpoint"])
            self.assertIn(f"--port :{s3.port}", services[s3.hostname]["command"][0])
            self.assertIn("/" + configured["crops"]["url"].removeprefix("s3://"), services[s3.hostname]["command"][0])
            index = urllib.parse.urlsplit(configured["index"]["url"])
            self.assertEqual(services[index.hostname]["environment"]["QDRANT__SERVICE__ENABLE_TLS"], "true")
            for store in (database, s3, index):
                self.assertEqual(services[store.hostname]["networks"], ["stores"])
            self.assertEqual({s3.scheme, index.scheme}, {"https"})
            for file in (configured["database"]["password"], configured["crops"]["credentials"], configured["index"]["api_key_file"]):
                self.assertIn(pathlib.PurePath(file).name, server["secrets"])
        self.assertTrue(compose["networks"]["stores"]["internal"])

    def test_a_city_s_balancer_passes_on_to_every_server_and_workers_call_it(self):
        services = load(CITY)[1]
        port = tomllib.loads((CITY / "server.toml").read_text())["server"]["listen"].split(":")[1]
        haproxy = (CITY / "haproxy.cfg").read_text()
        servers = [name for name in services if name.startswith("server-")]
        self.assertEqual(re.findall(r"^    server (\S+) (\S+)$", haproxy, re.M), [(s, f"{s}:{port}") for s in servers])
        listens = re.findall(r"bind :(\d+)", haproxy)
        self.assertEqual(services["balancer"]["ports"], [f"{p}:{p}" for p in listens])
        for worker in ("worker-1", "worker-2"):
            self.assertEqual(services[worker]["command"][-1], f"balancer:{listens[0]}")

    def test_what_a_city_is_prepared_with_is_what_its_services_ask_for(self):
        compose, services = load(CITY)
        prepare = (CITY / "prepare").read_text()
        certified = re.search(r"for service in (.*); do", prepare).group(1).split()
        written = set(re.findall(r">secrets/(\w+)", prepare)) | {f"{s}.{end}" for s in certified for end in ("pem", "key")}
        self.assertEqual({pathlib.PurePath(s["file"]).name for s in compose["secrets"].values()}, written)
        self.assertLessEqual(set(certified), set(services))
        for line in ("/deploy/secrets/", "/deploy/city/secrets/"):
            self.assertIn(line, (ROOT / ".gitignore").read_text().split())
            self.assertIn(line.strip("/"), (ROOT / ".dockerignore").read_text().split())

    def test_prometheus_asks_where_the_server_answers(self):
        services = load(DEPLOY)[1]
        configured = tomllib.loads((DEPLOY / "sightline.toml").read_text())
        jobs = yaml.safe_load((DEPLOY / "prometheus.yml").read_text())["scrape_configs"]
        self.assertEqual(jobs[0]["static_configs"][0]["targets"], [configured["metrics"]["listen"]])
        self.assertEqual(services["prometheus"]["network_mode"], "service:sightline", "metrics are told on loopback alone")

    def test_prometheus_asks_a_relay_beside_each_server_of_a_city(self):
        services = load(CITY)[1]
        relay = (CITY / "metrics.cfg").read_text()
        port = re.search(r'bind "\$\{METRICS\}:(\d+)"', relay).group(1)
        wanted = []
        for n in (1, 2):
            metrics = services[f"metrics-{n}"]
            self.assertEqual(metrics["network_mode"], f"service:server-{n}")
            name = metrics["environment"]["METRICS"]
            self.assertEqual(services[f"server-{n}"]["networks"]["metrics"]["aliases"], [name])
            wanted.append(f"{name}:{port}")
        listens = tomllib.loads((CITY / "server.toml").read_text())["metrics"]["listen"]
        self.assertIn(f"server server {listens}", relay)
        jobs = yaml.safe_load((CITY / "prometheus.yml").read_text())["scrape_configs"]
        self.assertEqual(jobs[0]["static_configs"][0]["targets"], wanted)
        self.assertIn("metrics", services["prometheus"]["networks"])

    def test_prometheus_finds_its_alerts(self):
        for folder in FOLDERS:
            mounts = {v.split(":")[1]: folder / v.split(":")[0] for v in load(folder)[1]["prometheus"]["volumes"]}
            [configured] = [path for inside, path in mounts.items() if inside.endswith("/prometheus.yml")]
            [rules] = yaml.safe_load(configured.read_text())["rule_files"]
            named = [r["alert"] for g in yaml.safe_load(mounts[f"/etc/prometheus/{rules}"].read_text())["groups"] for r in g["rules"]]
            self.assertEqual(len(named), len(set(named)))
            self.assertIn("DeletionOverdue", named)

    def test_grafana_asks_prometheus(self):
        provisioned = DEPLOY / "grafana/provisioning"
        source = yaml.safe_load((provisioned / "datasources/prometheus.yaml").read_text())["datasources"][0]
        board = yaml.safe_load((provisioned / "dashboards/sightline.yaml").read_text())["providers"][0]
        for folder, host in [(DEPLOY, "sightline"), (CITY, "prometheus")]:
            grafana = load(folder)[1]["grafana"]
            self.assertEqual(grafana["environment"][source["url"].removeprefix("$")], f"http://{host}:9090")
            self.assertTrue(any(v.split(":")[1].startswith(board["options"]["path"] + "/") for v in grafana["volumes"]))


if __name__ == "__main__":
    unittest.main()
