"""What every asset is given: one council's configuration and data, and which night it is."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import dagster as dg
import polars as pl

from feeds.contracts import Contract, Event
from feeds.dialect import load_contracts
from governance.acceptance import accepted, counted
from governance.agreements import Agreements, load_agreements
from governance.disclosure.declared import Aggregates, load_aggregates
from governance.disclosure.profiles import Disclosure, load_disclosure
from governance.keys import KeyRing
from governance.organisation import Organisation, load_organisation, unknown
from governance.retention import Retention, load_retention
from governance.rights import Rights, load_rights
from governance.vault import Vault
from linkage.settings import Settings
from linkage.settings import load as load_linkage
from models.outcomes import Outcome, read_outcomes
from models.rules import Cohort, Indicator, read_cohorts, read_indicators
from models.vocabulary import WORDS
from summaries.wording import Wording
from summaries.wording import load as load_wording
from warehouse import site as sites
from warehouse.site import SiteError
from warehouse.store import Store
from warehouse.tables import Table

NIGHT = "kinfold/night"  # run tag: the night a run makes, as an ISO date


def read_site(site: Path, strict: bool = False) -> dict[str, Any]:
    """Every file of a council's folder, read and checked; `strict` holds contracts to the letter of the standard too.

    Raises:
        SiteError: every mistake of every file, each with its line.
    """
    contracts = _attempt(partial(load_contracts, site, strict))
    types = WORDS.keys() | (
        {t.event for c in contracts.values() for table in c.tables for t in table.yields if isinstance(t, Event)}
        if isinstance(contracts, dict)
        else set()
    )
    read = {
        "organisation": _attempt(partial(load_organisation, site)),
        "contracts": contracts,
        "agreements": _attempt(partial(load_agreements, site)),
        "outcomes": _attempt(partial(read_outcomes, site, types)),
        "indicators": _attempt(partial(read_indicators, site, types)),
        "cohorts": _attempt(partial(read_cohorts, site, types)),
        "wording": _attempt(partial(load_wording, site)),
        "linkage": _attempt(partial(load_linkage, site)),
        "aggregates": _attempt(partial(load_aggregates, site)),
        "disclosure": _attempt(partial(load_disclosure, site)),
        "rights": _attempt(partial(load_rights, site, _telling(contracts))),
    }
    organisation, agreements = read["organisation"], read["agreements"]
    read["retention"] = _attempt(
        partial(
            load_retention,
            site,
            organisation if isinstance(organisation, Organisation) else None,
            types,
            {each.agreement for each in agreements} if isinstance(agreements, Agreements) else (),
        )
    )
    mistakes = [m for part in read.values() if isinstance(part, SiteError) for m in part.mistakes]
    mistakes = mistakes or _unknown_needs(agreements, read["indicators"], read["cohorts"])
    if mistakes:
        raise SiteError(dict.fromkeys(mistakes))
    return read


def _unknown_needs(agreements: Agreements, indicators: Iterable[str], cohorts: Sequence[Cohort]) -> list[str]:
    """Needs that agreements ask for and no rule of the site describes, which nobody would ever meet."""
    known = {*indicators, *(cohort.cohort for cohort in cohorts)}
    asked = [(agreements.standing(name).file, need) for name, need in agreements.needs if need not in known]
    return [f"{file}:1: {unknown('cohort or indicator', need, known)}" for file, need in asked]


def _telling(contracts: Any) -> set[str] | None:
    """The feeds that tell of events; None where contracts could not be read."""
    if not isinstance(contracts, dict):
        return None
    return {f for f, c in contracts.items() for t in c.tables if any(isinstance(y, Event) for y in t.yields)}


def _attempt(read: Callable[[], Any]) -> Any:
    try:
        return read()
    except SiteError as error:
        return error


@dataclass(frozen=True)
class Council:
    """One council: its configuration, read and checked, its keys, and the store that holds its data."""

    site: Path
    home: Path
    ring: KeyRing
    vault: Vault
    store: Store
    organisation: Organisation
    contracts: Mapping[str, Contract]
    agreements: Agreements
    outcomes: Sequence[Outcome]
    indicators: Mapping[str, Indicator]
    cohorts: Sequence[Cohort]
    wording: Wording
    linkage: Settings
    aggregates: Aggregates
    disclosure: Disclosure
    retention: Retention | None
    rights: Rights = field(default_factory=Rights)

    @classmethod
    def open(cls, site: Path | None = None, home: Path | None = None) -> "Council":
        """Read the configuration and the keys.

        Raises:
            SiteError: a contract, agreement or other site file has a mistake; the message names each with its line.
            KeyProblem: there is no usable key; the message says how to make one.
            AcceptanceProblem: the register of accepted agreements was changed by hand.
        """
        site, home = site or sites.site(), home or sites.home()
        ring = KeyRing.load(home)
        vault, read = Vault(ring), read_site(site)
        read["agreements"] = counted(read["agreements"], accepted(home, ring))
        return cls(
            site=site,
            home=home,
            ring=ring,
            vault=vault,
            store=Store(home, vault),
            **read,
        )

    def write(
        self, table: Table, night: date, frame: pl.DataFrame, more: Mapping[str, Any] | None = None
    ) -> dg.MaterializeResult:
        """Write the night's version of a table and tell Dagster its rows and columns, never its values."""
        rows = self.store.write(table, night, frame)
        return made(table.name, rows, columns=frame.schema, meanings=table, more=more)


def night_of(context: dg.AssetExecutionContext, council: Council) -> date:
    """The night that this run makes: its tag where it has one, else today where the council is."""
    tag = context.run.tags.get(NIGHT)
    return date.fromisoformat(tag) if tag else datetime.now(ZoneInfo(council.organisation.timezone)).date()


def learnt(night: date) -> datetime:
    """When what a night learns became known: the last moment before its day, as deliveries came by then (UTC)."""
    return datetime(night.year, night.month, night.day) - timedelta(microseconds=1)


def made(
    key: str | Iterable[str],
    rows: int,
    columns: Mapping[str, Any] | None = None,
    meanings: Table | None = None,
    more: Mapping[str, Any] | None = None,
) -> dg.MaterializeResult:
    """A materialisation with its row count and column schema; `more` are counts or plain words."""
    metadata: dict[str, Any] = {"dagster/row_count": rows, **(more or {})}
    if columns is not None:
        told = {c.name: c.meaning for c in meanings.columns} if meanings else {}
        metadata["dagster/column_schema"] = dg.TableSchema(
            [dg.TableColumn(name, str(kind), description=told.get(name)) for name, kind in columns.items()]
        )
    return dg.MaterializeResult(asset_key=dg.AssetKey([key] if isinstance(key, str) else list(key)), metadata=metadata)
