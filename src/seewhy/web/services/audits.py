"""An audit as a job: what its page needs of it, without the photos that were looked at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from seewhy.core.progress import Progress
from seewhy.models import Classifier
from seewhy.report.audit import finding, lead, power_words
from seewhy.verbs.audit import audit
from seewhy.web.services.hub import services
from seewhy.web.services.reports import Files, result_files
from seewhy.web.visitors import Visitor


@dataclass(frozen=True)
class AuditRequest:
    """Whose reasons are audited, over which photos, and whether their folders are the true classes."""

    model: str
    pictures: Path
    labels: bool = False


@dataclass(frozen=True)
class Finding:
    """One finding as plain values, and as the parts of a page."""

    told: Mapping[str, Any]
    parts: Mapping[str, Any]


@dataclass(frozen=True)
class Audited:
    """What an audit found, in words, and all of it as files."""

    fingerprint: str
    lead: str
    power: str
    findings: tuple[Finding, ...]
    files: Files


def audited(request: AuditRequest, visitor: Visitor, classifier: Classifier, progress: Progress) -> Audited:
    """Audit a classifier. What was looked at is kept, so that a run that a new start of the server ended goes on.

    Raises:
        UsageError: there are too few photos, or no folder is a class.
    """
    kept, folder = sha256(request.model.encode()).hexdigest()[:16], request.pictures.parent
    with services().disk.filling(folder.with_name(f"{folder.name}-audit-{kept}"), visitor) as out:
        found = audit(classifier, request.pictures, out, labels=request.labels, progress=progress)
    findings = tuple(Finding(found.told(each), finding(found, each)) for each in found.findings)
    return Audited(classifier.fingerprint, lead(found), power_words(found.power), findings, result_files(found))
