"""The risk model of an outcome: kept as an artefact, and turned into flags with their reasons and into alerts.

What belongs here: the artefact, flags, alerts. How a model is trained and judged belongs in `models.training`. A flag
states recorded facts and a calibrated probability, and prescribes nothing.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import polars as pl

from models import card, features, fitting, reasons
from models.fitting import Beta, Floats, Logistic
from models.metrics import GateLine
from models.outcomes import Outcome
from models.views import View
from warehouse.tables import ALERT, RISK_FLAG

VERY_HIGH, HIGH = 10.0, 5.0  # times the population's rate
BANDS = ("raised", "high", "very high")

Kind = Literal["trees", "logistic"]


@dataclass(frozen=True)
class Trained:
    """A trained model and everything that is known of it.

    Attributes:
        outcome: the outcome's name.
        kind: what was chosen, trees or logistic regression.
        names: its features, in order.
        trees: LightGBM text models, one a fold of households; the score is their mean log odds.
        logistic: likewise.
        kept: the share of people without the outcome that training saw; undone in every score.
        beta: calibration.
        card: the model card's content: data, measures, groups, gate.
    """

    outcome: str
    kind: Kind
    names: tuple[str, ...]
    trees: tuple[str, ...]
    logistic: tuple[Logistic, ...]
    kept: float
    beta: Beta
    card: dict[str, Any] = field(repr=False)

    @property
    def gate(self) -> list[GateLine]:
        """The gate's lines, as judged on the test months."""
        return [GateLine(**line) for line in self.card["gate"]]

    @property
    def passed(self) -> bool:
        """Whether flags may be raised."""
        return all(line.passed for line in self.gate)

    @cached_property
    def files(self) -> dict[str, bytes]:
        """The artefact's files by name, but for the list of their digests."""
        kept = {"kind": self.kind, "features": self.names, "kept": self.kept, "beta": asdict(self.beta),
                "logistic": [asdict(model) for model in self.logistic], "outcome": self.outcome}  # fmt: skip
        texts = {f"model-{number}.txt": text for number, text in enumerate(self.trees, 1)}
        texts["calibration.json"] = _json(kept)
        texts["card.json"] = _json(self.card)
        texts["card.html"] = card.render(json.loads(texts["card.json"]))
        return {name: text.encode() for name, text in sorted(texts.items())}

    @cached_property
    def sums(self) -> str:
        """Digests of the files, as `sha256sum -c` reads them."""
        return "".join(f"{hashlib.sha256(data).hexdigest()}  {name}\n" for name, data in self.files.items())

    @property
    def model_id(self) -> str:
        """Twelve hexadecimal digits of the digest of all files."""
        return hashlib.sha256(self.sums.encode()).hexdigest()[:12]

    def save(self, folder: Path) -> Path:
        """Write the artefact to `folder`/<outcome>/<model id>, by one rename, and give that path. Never overwrites."""
        target = folder / self.outcome / self.model_id
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            beside = target.with_name(f".{target.name}.new")
            shutil.rmtree(beside, ignore_errors=True)
            beside.mkdir()
            for name, data in {**self.files, "SHA256SUMS": self.sums.encode()}.items():
                (beside / name).write_bytes(data)
            beside.rename(target)
        return target

    def log_odds(self, values: Floats) -> Floats:
        """Calibrated log odds of rows of features (`features.matrix`)."""
        return self.beta(np.mean([raw(values) for raw in self._scorers()], axis=0) + np.log(self.kept))

    def contributions(self, values: Floats) -> Floats:
        """What each feature adds to the log odds before calibration: rows by features (SHAP values of the trees)."""
        if self.kind == "logistic":
            return np.asarray(np.mean([model.parts(values)[:, :-1] for model in self.logistic], axis=0))
        return np.asarray(np.mean([fitting.tree_parts(text, values)[:, :-1] for text in self.trees], axis=0))

    def _scorers(self) -> list[Callable[[Floats], Floats]]:
        if self.kind == "logistic":
            return [model.log_odds for model in self.logistic]
        return [fitting.tree_scorer(text) for text in self.trees]


def load(folder: Path) -> Trained:
    """Read an artefact that `save` wrote.

    Raises:
        ValueError: a file is missing, extra or not what its digest says.
    """
    found = {path.name: path.read_bytes() for path in sorted(folder.iterdir())}
    sums = found.pop("SHA256SUMS", b"").decode()
    if sums != "".join(f"{hashlib.sha256(data).hexdigest()}  {name}\n" for name, data in found.items()):
        raise ValueError(f"model {folder.name}: its files are not those that were saved. Train it again.")
    kept = json.loads(found["calibration.json"])
    trees = tuple(data.decode() for name, data in found.items() if name.endswith(".txt"))
    logistic = tuple(Logistic(**{key: tuple(value) for key, value in model.items()}) for model in kept["logistic"])
    return Trained(
        kept["outcome"], kept["kind"], tuple(kept["features"]), trees, logistic, kept["kept"], Beta(**kept["beta"]),
        json.loads(found["card.json"]),
    )  # fmt: skip


def score(
    trained: Trained, outcome: Outcome, frame: pl.DataFrame, view: View, previous: pl.DataFrame | None = None
) -> pl.DataFrame:
    """Flags for the team: the first of the ranking, as many as it has capacity for.

    Someone flagged on the previous night stays while in the first two lists' length, so that the list does not
    flicker. Nobody is flagged without a recorded fact to show.

    Args:
        trained: the model; if it missed its gate, there are no flags.
        outcome: the team and its capacity.
        frame: FEATURE_SNAPSHOT of the population on the view's day.
        view: the same day; facts for the reasons.
        previous: RISK_FLAG of the last night, if any.

    Returns:
        RISK_FLAG by person and outcome.
    """
    if not trained.passed or frame.is_empty():
        return RISK_FLAG.empty()
    ranked = _ranked(trained, frame)
    length, rate = outcome.capacity.length, ranked["probability"].mean()
    stay = (
        previous.filter(outcome=outcome.outcome)["person_id"]
        if previous is not None
        else pl.Series([], dtype=pl.String)
    )
    on_list = ranked.filter(
        (pl.col("rank") <= length) | ((pl.col("rank") <= 2 * length) & pl.col("person_id").is_in(stay.implode()))
    ).sort("person_id")
    rows = on_list.select("person_id").join(frame, on="person_id", maintain_order="left")
    shares = trained.contributions(features.matrix(rows, trained.names).to_numpy())
    told = reasons.tell(on_list["person_id"], pl.DataFrame(shares, schema=list(trained.names)), view)
    times = pl.col("probability") / rate
    return (
        on_list.join(told, on="person_id")
        .with_columns(
            outcome=pl.lit(outcome.outcome), as_of=pl.lit(view.day), team=pl.lit(outcome.team),
            model_id=pl.lit(trained.model_id),
            band=pl.when(times >= VERY_HIGH).then(pl.lit(BANDS[2])).when(times >= HIGH).then(pl.lit(BANDS[1]))
            .otherwise(pl.lit(BANDS[0])),
        )
        .select(RISK_FLAG.schema.names())
        .cast(RISK_FLAG.schema)
        .sort(RISK_FLAG.key)
    )  # fmt: skip


def alerts(
    flags: pl.DataFrame, previous: pl.DataFrame | None, night: date, identify: Callable[[pl.Series], pl.Series]
) -> pl.DataFrame:
    """Changes worth telling: a new flag, a higher band with new facts, a flag that ended.

    Args:
        flags: RISK_FLAG of tonight.
        previous: RISK_FLAG of the last night, or None on the first, when every flag is new.
        night: tonight.
        identify: keyed hash of a series of text, for the alerts' ids.

    Returns:
        ALERT by alert_id.
    """
    before = (RISK_FLAG.empty() if previous is None else previous).select(
        "person_id", "outcome", "team", "band", "evidence"
    )
    both = flags.join(before, on=["person_id", "outcome"], how="full", suffix="_before", coalesce=True)
    level, level_before = (pl.col(name).replace_strict(dict(zip(BANDS, range(3), strict=True)), default=None,
                           return_dtype=pl.Int8) for name in ("band", "band_before"))  # fmt: skip
    new = pl.col("evidence").list.set_difference(pl.col("evidence_before").fill_null([])).list.sort()
    kind = (
        pl.when(pl.col("band_before").is_null()).then(pl.lit("new_flag"))
        .when(pl.col("band").is_null()).then(pl.lit("flag_ended"))
        .when((level > level_before) & (pl.col("new").list.len() > 0)).then(pl.lit("band_up"))
    )  # fmt: skip
    facts = pl.col("reasons").list.join("; ")
    text = (
        pl.when(pl.col("kind") == "new_flag").then(pl.format("New on the list for {}: {}.", "outcome", facts))
        .when(pl.col("kind") == "flag_ended").then(pl.format("No longer on the list for {}.", "outcome"))
        .otherwise(pl.format("From {} to {} for {}: {}.", "band_before", "band", "outcome", facts))
    )  # fmt: skip
    key = pl.concat_str("person_id", "outcome", "kind", pl.lit(night.isoformat()), separator="\x1f")
    told = (
        both.with_columns(new=new)
        .with_columns(kind=kind)
        .filter(pl.col("kind").is_not_null())
        .with_columns(text=text, key=key, as_of=pl.lit(night), team=pl.coalesce("team", "team_before"))
    )
    return (
        told.with_columns(alert_id=identify(told["key"]), evidence=pl.col("new").fill_null([]))
        .select(ALERT.schema.names())
        .cast(ALERT.schema)
        .sort("alert_id")
    )


def _ranked(trained: Trained, frame: pl.DataFrame) -> pl.DataFrame:
    """Everyone with probability and rank: person_id, probability, rank; ties by person_id."""
    log_odds = trained.log_odds(features.matrix(frame, trained.names).to_numpy())
    return (
        frame.select("person_id", probability=pl.Series(fitting.probability(log_odds), dtype=pl.Float64))
        .sort("probability", "person_id", descending=[True, False])
        .with_row_index("rank", 1)
        .with_columns(pl.col("rank").cast(pl.Int32))
    )


def _json(value: Any) -> str:
    return json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
