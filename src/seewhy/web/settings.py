"""What whoever runs the app decides, by environment variables that begin with SEEWHY_."""

from __future__ import annotations

import hmac
import os
import tomllib
from functools import cache, partial
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import Field, StringConstraints, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from seewhy.core.files import home
from seewhy.errors import UsageError
from seewhy.models import DEFAULT_MODEL

Names = Annotated[tuple[str, ...], NoDecode]
Address = Annotated[str, StringConstraints(pattern="^https?://")]

OIDC = ("address", "oidc_provider", "oidc_client_id", "oidc_client_secret")
SECRETS = ".streamlit/secrets.toml"  # Streamlit's own, in the working folder or at home
LOCAL = ("localhost", "127.0.0.1", "::1")
PRIVATE = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "127.0.0.0/8", "fc00::/7", "::1/128")
METADATA = "/.well-known/openid-configuration"


def _told_by_space(name: str) -> str | None:
    """The variable of this name, on a Space; on other hosts the same name may mean something else."""
    return os.environ.get(name) if "SPACE_ID" in os.environ else None


def _space_address() -> str | None:
    """Where people reach the Space outside of its frame."""
    host = _told_by_space("SPACE_HOST")
    return host and f"https://{host}"


def _space_frames() -> tuple[str, ...]:
    """The site that shows the Space in a frame."""
    return ("https://huggingface.co",) if _told_by_space("SPACE_ID") else ()


def _space_proxies() -> tuple[str, ...]:
    """The networks that a Space's own proxy may be in; nothing else can reach the app there."""
    return PRIVATE if _told_by_space("SPACE_ID") else ()


class Settings(BaseSettings):
    """Settings of one installation; lists are written with commas, as in `SEEWHY_MODELS=bundled:…,timm:…`.

    A Hugging Face Space tells its own address, the site that shows it, and its identity provider.
    """

    model_config = SettingsConfigDict(env_prefix="SEEWHY_", frozen=True, extra="ignore")

    models: Names = Field((DEFAULT_MODEL,), description="The models that people may choose from.")
    device: str = Field("auto", description="auto, cpu, cuda, cuda:1 or mps.")
    workers: int = Field(1, ge=1, description="Jobs done at once, each on a model of its own.")
    queue_length: int = Field(200, ge=1, description="Jobs that wait or run; the next one is asked to come again.")
    jobs_each: int = Field(30, ge=1, description="Of these the most of one visitor: a key, a person or an address.")
    short_seconds: float = Field(600, gt=0, description="Seconds that an explanation may take.")
    long_seconds: float = Field(3600, gt=0, description="Seconds that a comparison may take, and what else is long.")
    training_seconds: float = Field(14400, gt=0, description="Seconds that a training may take.")
    results_mb: int = Field(256, ge=1, description="Megabytes of results kept in memory, for a day at most.")
    disk_mb: int = Field(4000, ge=4, description="Megabytes of photos and trainings; one visitor has a quarter.")
    upload_mb: int = Field(20, ge=1, description="Megabytes of one upload.")
    training_mb: int = Field(200, ge=1, description="Megabytes of the pictures that somebody teaches it by.")
    upload_megapixels: int = Field(
        25, ge=1, description="Megapixels of one photo; larger ones, up to 50, are made smaller."
    )
    requests_a_minute: int = Field(
        240, ge=1, description="Requests that change something, or that are costly to answer, by one address."
    )
    reads_a_minute: int = Field(6000, ge=1, description="All other requests, by one address.")
    windows: int = Field(60, ge=1, description="Windows of the app that one address has open, or opens in a minute.")
    messages_a_minute: int = Field(1200, ge=1, description="Clicks and other messages of windows, by one address.")
    connections: int = Field(200, ge=1, description="Connections that one address has open; all together four times.")
    open_mb: int = Field(
        1024, ge=1, description="Megabytes of uploads under way and in open windows, of all; nobody has over a fifth."
    )
    results: Literal["private", "public"] = Field("private", description="public: finished jobs are listed for all.")
    sign_in: Literal["none", "names", "oidc"] = Field(
        "none", description="names: people say who they are; oidc: they sign in."
    )
    address: Address | None = Field(
        default_factory=_space_address,
        description="Where people reach the app, such as https://seewhy.example.org; to sign in.",
    )
    oidc_provider: Address | None = Field(
        default_factory=partial(_told_by_space, "OPENID_PROVIDER_URL"),
        description="The identity provider's address, such as https://accounts.google.com.",
    )
    oidc_client_id: str | None = Field(
        default_factory=partial(_told_by_space, "OAUTH_CLIENT_ID"),
        description="By what name the provider knows the app.",
    )
    oidc_client_secret: str | None = Field(
        default_factory=partial(_told_by_space, "OAUTH_CLIENT_SECRET"),
        description="The secret that the provider gave the app.",
        repr=False,
    )
    api_keys: Names = Field((), description="With keys, the REST interface answers to their bearers alone.")
    public: bool = Field(False, description="Open to strangers: nothing can be trained.")
    tracebacks: bool = Field(
        False, description="For developers: pages show tracebacks, where the app listens to its own machine alone."
    )
    hosts: Names = Field(
        (), description="Names under which the app may be reached, beside localhost and SEEWHY_ADDRESS; * for any."
    )
    proxies: Names = Field(
        default_factory=_space_proxies,
        description="Addresses or networks of proxies before the app; only these are believed who asks.",
    )
    embedded_in: Names = Field(
        default_factory=_space_frames,
        description="Sites that may show the app in a frame, such as https://example.org.",
    )
    cases: Path | None = Field(None, description="A folder of case bases, as `seewhy cases build` writes them.")
    prototypes: Path | None = Field(
        None, description="A folder of models with prototypes, as `seewhy prototypes train` writes them."
    )
    explainers: Path | None = Field(
        None, description="A folder of learned explainers, as `seewhy explainer train` writes them."
    )
    photos: Path | None = Field(None, description="The folder of the pictures that rounds were made of.")
    studies: Path | None = Field(None, description="A folder of studies, as `seewhy study` writes them.")

    @field_validator("models", "api_keys", "hosts", "proxies", "embedded_in", mode="before")
    @classmethod
    def _split(cls, given: object) -> object:
        return tuple(part.strip() for part in given.split(",") if part.strip()) if isinstance(given, str) else given

    @field_validator("models")
    @classmethod
    def _any(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if not names:
            raise ValueError("names no model; leave it out to offer the default one")
        return tuple(dict.fromkeys(names))

    @field_validator("proxies")
    @classmethod
    def _networks(cls, proxies: tuple[str, ...]) -> tuple[str, ...]:
        for each in proxies:
            ip_network(each, strict=False)
        return proxies

    @property
    def known_hosts(self) -> tuple[str, ...]:
        """Names under which the app may be reached: this machine's own, those named, and where people sign in."""
        named = (urlsplit(self.address or "").hostname, _told_by_space("SPACE_HOST"))
        return (*LOCAL, *self.hosts, *filter(None, named))

    @property
    def upload_bytes(self) -> int:
        """Bytes of one upload."""
        return self.upload_mb << 20

    @property
    def file_bytes(self) -> int:
        """Bytes of one file that a page takes: a photo, or where it may be trained a set of them."""
        return (self.upload_mb if self.public else max(self.upload_mb, self.training_mb)) << 20

    @property
    def upload_pixels(self) -> int:
        """Pixels of one photo."""
        return self.upload_megapixels * 1_000_000

    @property
    def studies_folder(self) -> Path:
        """Where studies lie."""
        return self.studies or home() / "studies"

    @property
    def cases_folder(self) -> Path:
        """Where case bases lie."""
        return self.cases or home() / "cases"

    @property
    def prototypes_folder(self) -> Path:
        """Where models with prototypes lie."""
        return self.prototypes or home() / "prototypes"


@cache
def settings() -> Settings:
    """The settings of this process.

    Raises:
        UsageError: a variable holds what it cannot mean.
    """
    try:
        return Settings()  # pyright: ignore[reportCallIssue]
    except ValidationError as error:
        wrong = "; ".join(f"SEEWHY_{'_'.join(map(str, each['loc'])).upper()}: {each['msg']}" for each in error.errors())
        raise UsageError(f"the settings cannot be understood: {wrong}") from error


def openings(chosen: Settings, host: str) -> list[str]:
    """What stands open to whoever can reach the app at this address, and how to close it, a sentence for each."""
    if is_own(host):
        return []
    found = ["the app is open to whoever can reach this machine; with --host 127.0.0.1 it is for this machine alone"]
    if not chosen.public:
        found.append("anybody may train classifiers here; SEEWHY_PUBLIC=1 takes this away")
    if chosen.sign_in == "none":
        found.append("anybody may come in; SEEWHY_SIGN_IN=oidc lets people sign in")
    if chosen.sign_in == "names":
        found.append("anybody may play and draw under any name; SEEWHY_SIGN_IN=oidc lets people sign in")
    if not chosen.api_keys and chosen.sign_in != "oidc":
        found.append("programs may ask without a key; SEEWHY_API_KEYS gives out keys")
    if chosen.results == "public":
        found.append("finished jobs are listed for all; SEEWHY_RESULTS=private ends that")
    if "*" in chosen.hosts:
        found.append("strange names may be made to lead here; write the app's own into SEEWHY_HOSTS in place of *")
    if not chosen.proxies:
        proxy = "put a proxy before it, its address into SEEWHY_PROXIES and its host into SEEWHY_HOSTS"
        found.append(f"there is no HTTPS: {proxy}")
    return found


def is_own(host: str) -> bool:
    """Whether only this machine reaches such an address."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host in LOCAL


def sign_in_secrets(chosen: Settings) -> dict[str, Any]:
    """Streamlit's section `[auth]`; nothing where nobody has to sign in, or Streamlit's own file of secrets has it.

    The key of its cookies is made from the client's secret, so that people stay signed in when the app starts again.

    Source: the metadata's place is that of OpenID Connect Discovery 1.0, section 4.

    Raises:
        UsageError: people have to sign in, and nobody said where.
    """
    if chosen.sign_in != "oidc" or (not chosen.oidc_provider and _in_file()):
        return {}
    missing = [f"SEEWHY_{name.upper()}" for name in OIDC if not getattr(chosen, name)]
    if missing:
        raise UsageError(f"with SEEWHY_SIGN_IN=oidc the app needs {', '.join(missing)}, too; see docs/deploying.md")
    address, provider, client, secret = (str(getattr(chosen, name)).rstrip("/") for name in OIDC)
    auth = {
        "redirect_uri": f"{address}/oauth2callback",
        "cookie_secret": hmac.digest(secret.encode(), b"seewhy cookies", "sha256").hex(),
        "client_id": client,
        "client_secret": secret,
        "server_metadata_url": f"{provider}{METADATA}",
        "client_kwargs": {"scope": "openid profile"},  # a name is all that is wanted
    }
    return {"auth": auth}


def _in_file() -> bool:
    """Whether the file has the section; to ask Streamlit would settle its settings too early."""
    return any("auth" in _read(folder / SECRETS) for folder in (Path.cwd(), Path.home()))


def _read(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text("utf-8")) if file.is_file() else {}
    except (OSError, ValueError) as error:
        raise UsageError(f"{file} cannot be read: {error}") from error
