"""What deploy/ names must be there: configuration keys, environment, commands, files, networks. No container is started."""

import configparser
import pathlib
import re
import sys
import tomllib
import unittest

try:
    import yaml
except ImportError:
    yaml = None

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
DEPLOY = ROOT / "deploy"
TEMPLATE = tomllib.loads((ROOT / "crates/server/src/config/sightline.toml").read_text())
# Variables of Sightline's own that its sources read.
VARIABLES = set(re.findall(r'"(SIGHTLINE_[A-Z]+)"', "".join(p.read_text() for p in (ROOT / "crates").glob("*/src/**/*.rs"))))
COMMANDS = set(re.findall(r"^    ([A-Z]\w+)\(", (ROOT / "crates/cli/src/commands.rs").read_text(), re.M))


def units():
    for path in sorted((DEPLOY / "systemd").glob("*.service")):
        unit = configparser.ConfigParser(strict=False, interpolation=None, comment_prefixes="#", delimiters="=")
        unit.optionxform = str
        unit.read(path)
        # configparser keeps the last of several; all are wanted here.
        environment = re.findall(r"^Environment=(\w+)=(.*)$", path.read_text(), re.M)
        yield path.name, unit, dict(environment)


def command(words):
    """A command of the program, as its subcommand is called in the sources."""
    return words[0].title()


class Keys(unittest.TestCase):
    def test_every_key_of_the_container_s_configuration_is_one_of_the_template(self):
        for section, keys in tomllib.loads((DEPLOY / "sightline.toml").read_text()).items():
            for key, value in keys.items():
                self.assertIn(key, TEMPLATE.get(section, {}), section)
                self.assertIs(type(value), type(TEMPLATE[section][key]), f"{section}.{key}")
                self.assertNotEqual(value, TEMPLATE[section][key], f"{section}.{key} is the default")


class Units(unittest.TestCase):
    def test_they_run_commands_that_there_are_with_variables_that_are_read(self):
        seen = []
        for name, unit, environment in units():
            program, *words = unit["Service"]["ExecStart"].split()
            seen.append(words[0])
            self.assertEqual(program, "/usr/local/bin/sightline", name)
            self.assertIn(command(words), COMMANDS, name)
            for variable in environment:
                self.assertTrue(variable == "RUST_LOG" or variable in VARIABLES, f"{name}: {variable}")
            self.assertEqual(environment["SIGHTLINE_HOME"], "/var/lib/" + unit["Service"]["StateDirectory"])
            self.assertEqual(environment["SIGHTLINE_CACHE"], "/var/cache/" + unit["Service"]["CacheDirectory"])
            for variable in re.findall(r"\$\{(\w+)\}", unit["Service"]["ExecStart"]):
                self.assertIn("EnvironmentFile", unit["Service"], f"{name}: where does {variable} come from?")
        self.assertEqual(sorted(seen), ["ingest", "serve"])

    def test_they_are_hardened_and_give_the_program_time_to_stop(self):
        wanted = {
            "NoNewPrivileges": "yes", "ProtectSystem": "strict", "PrivateTmp": "yes", "CapabilityBoundingSet": "",
            "SystemCallFilter": "@system-service", "RestrictNamespaces": "yes", "UMask": "0077", "StateDirectoryMode": "0700",
        }
        for name, unit, _ in units():
            service = unit["Service"]
            for key, value in wanted.items():
                self.assertEqual(service.get(key), value, f"{name}: {key}")
            self.assertGreater(int(service["TimeoutStopSec"]), TEMPLATE["server"]["shutdown_seconds"], name)


class Compose(unittest.TestCase):
    def setUp(self):
        if yaml is None:
            print("SKIPPED: there is no PyYAML; install python3-yaml", file=sys.stderr)
            self.skipTest("no PyYAML")
        self.compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
        self.services = self.compose["services"]

    def test_what_a_service_names_is_declared(self):
        for name, service in self.services.items():
            for secret in service.get("secrets", []):
                self.assertIn(secret, self.compose["secrets"], name)
            for network in service.get("networks", []):
                self.assertIn(network, self.compose["networks"], name)
            for other in service.get("depends_on", []):
                self.assertIn(other, self.services, name)
            if service.get("network_mode", "").startswith("service:"):
                self.assertIn(service["network_mode"].removeprefix("service:"), self.services, name)
            for volume in service.get("volumes", []):
                source, target = re.sub(r"\$\{[^}]*\}", "footage", volume).split(":")[:2]
                self.assertTrue(target.startswith("/"), volume)
                if source.startswith("./"):
                    self.assertTrue((DEPLOY / source).exists(), volume)
                elif not volume.startswith("${"):
                    self.assertIn(source, self.compose["volumes"], name)
            for secret in re.findall(r"/run/secrets/(\w+)", str(service)):
                self.assertIn(secret, service["secrets"], name)

    def test_images_are_pinned_and_what_is_built_is_there(self):
        for name, service in self.services.items():
            if "build" in service:
                self.assertTrue((ROOT / service["build"]["dockerfile"]).is_file())
            else:
                self.assertRegex(service["image"], r":v?\d+\.\d+\.\d+$", name)

    def test_sightline_s_services_run_commands_that_there_are_with_variables_that_are_read(self):
        image = (DEPLOY / "Dockerfile").read_text()
        made = dict(re.findall(r"(SIGHTLINE_\w+)=(\S+)", image))
        for name in ["sightline", "worker"]:
            service = self.services[name]
            self.assertIn(command(service["command"]), COMMANDS)
            targets = [volume.split(":")[1] for volume in service["volumes"] if "${" not in volume]
            self.assertEqual(sorted(made.values()), sorted(targets), name)
            for variable in [*made, *service["environment"]]:
                self.assertTrue(variable == "RUST_LOG" or variable in VARIABLES, variable)
            self.assertGreater(int(service["stop_grace_period"].rstrip("s")), TEMPLATE["server"]["shutdown_seconds"])

    def test_the_configuration_finds_the_services_it_names(self):
        configured = tomllib.loads((DEPLOY / "sightline.toml").read_text())
        qdrant = self.services["qdrant"]
        self.assertEqual(qdrant["environment"]["QDRANT__CLUSTER__ENABLED"], "true")
        self.assertIn("--uri http://qdrant:6335", qdrant["command"][0])
        self.assertEqual(configured["index"]["url"], "http://qdrant:6334")
        self.assertTrue(set(qdrant["networks"]) & set(self.services["sightline"]["networks"]))
        self.assertEqual(qdrant.get("ports", []), [], "nobody but the server reaches the index")
        key = pathlib.PurePath(configured["index"]["api_key_file"]).name
        self.assertIn(key, qdrant["secrets"])
        self.assertIn(key, self.services["sightline"]["secrets"])
        port = configured["server"]["listen"].split(":")[1]
        self.assertTrue(any(p.endswith(":" + port) for p in self.services["sightline"]["ports"]))
        self.assertEqual(self.services["worker"]["command"][-1], f"sightline:{port}")

    def test_prometheus_asks_where_the_server_answers_and_grafana_asks_prometheus(self):
        configured = tomllib.loads((DEPLOY / "sightline.toml").read_text())
        jobs = yaml.safe_load((DEPLOY / "prometheus.yml").read_text())["scrape_configs"]
        self.assertEqual(jobs[0]["static_configs"][0]["targets"], [configured["metrics"]["listen"]])
        self.assertEqual(self.services["prometheus"]["network_mode"], "service:sightline", "metrics are told on loopback alone")
        provisioned = DEPLOY / "grafana/provisioning"
        source = yaml.safe_load((provisioned / "datasources/prometheus.yaml").read_text())["datasources"][0]
        self.assertEqual(source["url"], "http://sightline:9090")
        board = yaml.safe_load((provisioned / "dashboards/sightline.yaml").read_text())["providers"][0]
        self.assertTrue(any(v.split(":")[1].startswith(board["options"]["path"] + "/") for v in self.services["grafana"]["volumes"]))


if __name__ == "__main__":
    unittest.main()
