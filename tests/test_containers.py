"""compose.yaml and the Dockerfile are safe as they stand: read as what they say, since no Docker is needed for that."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from seewhy.web.settings import Settings

ROOT = Path(__file__).resolve().parents[1]
COMPOSE: dict[str, Any] = yaml.safe_load(ROOT.joinpath("compose.yaml").read_text("utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
IMAGE = ROOT.joinpath("Dockerfile").read_text("utf-8")
DEFAULT = re.compile(r"\$\{(\w+):([-?])([^}]*)\}")


def chosen(text: str) -> str:
    """What compose makes of it where nobody sets a variable; a password has to be set."""
    return DEFAULT.sub(lambda found: found[3] if found[2] == "-" else "…", text)


@pytest.mark.parametrize("name", SERVICES)
class TestEveryService:
    def test_is_read_only_and_has_no_powers(self, name):
        service = SERVICES[name]
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert not service.get("cap_add")
        assert "no-new-privileges:true" in service["security_opt"]
        assert service["user"].split(":")[0] not in {"root", "0"}
        assert not service.get("privileged")
        assert not {"pid", "ipc", "network_mode", "devices"} & set(service)

    def test_is_bounded(self, name):
        service = SERVICES[name]
        assert service["mem_limit"].endswith("g")
        assert 0 < service["pids_limit"] <= 512
        assert service["logging"]["options"] == {"max-size": "10m", "max-file": "3"}
        assert all("size=" in each and "nosuid" in each and "nodev" in each for each in service["tmpfs"])

    def test_takes_nothing_of_the_host_but_volumes(self, name):
        assert all(each.split(":")[0] in COMPOSE["volumes"] for each in SERVICES[name]["volumes"])

    def test_has_no_password_of_its_own(self, name):
        for key, value in SERVICES[name]["environment"].items():
            if "PASSWORD" in key or "://" in value:
                assert "${SEEWHY_PASSWORD:?" in value


def test_only_this_machine_reaches_the_app_and_nobody_the_database():
    (port,) = SERVICES["app"]["ports"]
    assert chosen(port) == "127.0.0.1:8501:8501"
    assert "ports" not in SERVICES["database"]
    assert SERVICES["database"]["networks"] == ["inside"]
    assert COMPOSE["networks"]["inside"] == {"internal": True}


def test_the_app_is_set_up_for_strangers(monkeypatch):
    environment = {name: chosen(str(value)) for name, value in SERVICES["app"]["environment"].items()}
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    found = Settings()
    assert found.public
    assert not found.tracebacks
    assert found.hosts == found.proxies == ()
    unknown = {name.removeprefix("SEEWHY_").lower() for name in environment} - set(Settings.model_fields)
    assert unknown == {"database_url"}


def test_the_image_runs_without_root_and_holds_no_secret():
    lines = [line.split(maxsplit=1) for line in IMAGE.replace("\\\n", " ").splitlines() if line[:1].isalpha()]
    users = [rest for word, rest in lines if word == "USER"]
    assert users == ["seewhy"]
    order = [word for word, _ in lines]
    assert order.index("USER") < order.index("CMD")
    assert "--uid 1000" in IMAGE
    assert re.search(r"\bSEEWHY_PUBLIC=1\b", IMAGE)
    assert not re.search(r"(?i)(password|secret|token|api_key)\s*=", IMAGE)
    assert not re.search(r"^ADD\b|sudo|chmod 777", IMAGE, re.MULTILINE)
    assert all(":" in rest and "latest" not in rest for word, rest in lines if word == "FROM")
