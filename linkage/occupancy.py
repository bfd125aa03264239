"""Who lives where, since when, and where they lived before: what several feeds say of each person, weighed together.

What belongs here: people in dwellings over time. Which dwelling an address is belongs in `linkage.dwellings`, whose
address nothing may show in `linkage.protection`, who is one household with whom in `linkage.households`.

How a home is chosen. Feeds differ in how soon they learn of a move, and nobody knows by how much; but where feeds
disagree about a person, those that are mostly right mostly agree. So for each kind of evidence (a feed, and whether it
dates its address, has closed it, or has been overtaken by its own later word) the share in which it tells the present
home is estimated from the disagreements themselves, by expectation and maximisation [1], beginning from the trust that
its contract claims. Then people are weighed together: a family moves as one, so whoever shares kin, a source's
household key, a second address or a name with people at a dwelling is drawn to it; and a dwelling let to others has
been left, so whoever has nothing in common with those who certainly live there is pushed away, to another address of
theirs or to nowhere known. No truth is read, and nothing is said of someone whom the evidence leaves open.

[1] A. P. Dawid, A. M. Skene: Maximum likelihood estimation of observer error-rates using the EM algorithm. Applied
Statistics 28 (1979).
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

import numpy as np
import polars as pl

from linkage.dwellings import FAMILY, named
from linkage.protection import Protected
from warehouse.tables import OCCUPANCY

RECORDS = (
    *("record_id", "feed", "surname", "other_names", "household_key", "address_from", "address_to", "seen_on"),
    *("uprn", "address", "postcode", "other_addresses"),
)
# events that last as long as a feed keeps a record of someone up to date
SPELLS = (
    *("gp_registration", "school_roll", "council_tax_liability", "tenancy", "housing_benefit_claim"),
    "parking_permit",
)
CROWD = 12  # people who share a source's household key, beyond which it says nothing of who lives with whom
CANDIDATES = 30  # people ever placed at a dwelling, beyond which they are not held against each other
FRESH, OLD = 365, 3 * 365  # days for which a sighting is recent, and after which it is weak
USUAL_TRUST = 0.5
PRIOR = 30.0  # disagreements that what a contract claims is worth
ROUNDS = 8  # of estimation; it settles in five
TOGETHER = 4  # rounds of weighing people together
DRAWN, PUSHED = 3.0, 3.0  # natural log odds: of company at a dwelling, and of strangers there
NOWHERE = {FRESH: -1.5, OLD: -0.5, None: 0.0}  # log odds of no known home, by how long ago anyone saw the person
# how much it says for p to live where q lives
KIN, TWO_ADDRESSES, NAMESAKE, GROWN_UP = 0.9, 0.9, 0.5, 0.3
GROWN = 0.3  # of it left for an adult with another address and someone a generation older: children move out
GENERATION = (15, 50)  # years
SURE, LIKELY = 0.9, 0.7  # probability of a home from which it is strong evidence, and some
HERE = 0.5  # probability below which a home is not called one
KINDRED = (
    "parent",
    "child",
    "sibling",
    "partner",
    "step_parent",
    "foster_carer",
    "carer",
    "mother",
    "father",
    "spouse",
)
PARENTAL = ("parent", "mother", "father", "step_parent", "foster_carer")


@dataclass(frozen=True)
class Found:
    """Where people live.

    Attributes:
        stays: a row a person and dwelling, whoever is protected left out: `person_id`, `dwelling` (as
            `dwellings.named` has it: identity), `home_id`, `kind`, `postcode`, `from`, `to`, `state` (main, second,
            former), `evidence` (feeds), `certainty`, `seen` (the latest date that a feed has for it), `open` (whether
            anything places the person there still).
        trust: what was learnt of each kind of evidence: `feed`, `state`, `claimed`, `learnt` (shares of 1), `rows`.
    """

    stays: pl.DataFrame
    trust: pl.DataFrame

    def table(self) -> pl.DataFrame:
        """`occupancy` rows."""
        return self.stays.select(pl.col(c.name).cast(c.type) for c in OCCUPANCY.columns).sort(OCCUPANCY.key)


def ceased(events: pl.LazyFrame, night: date) -> pl.DataFrame:
    """Records that their feed has closed: `record_id`, `ceased` (date).

    Args:
        events: `event` rows that stand.
        night: what ends later is open.
    """
    spells = events.filter(pl.col("type").is_in(SPELLS)).group_by("record_id")
    lasts = pl.col("end").is_null() | (pl.col("end").dt.date() > night)
    ended = spells.agg(lasts.any().alias("open"), pl.col("end").max().dt.date().alias("ceased"))
    return ended.filter(~pl.col("open")).select("record_id", "ceased").collect()


def find(
    people: pl.DataFrame,
    records: pl.DataFrame,
    links: pl.DataFrame,
    relationships: pl.DataFrame,
    closed: pl.DataFrame,
    gazetteer: pl.DataFrame,
    trust: Mapping[str, Mapping[str, float]],
    protected: Protected,
    previous: tuple[pl.DataFrame, pl.DataFrame] | None,
    night: date,
    key: bytes,
) -> Found:
    """Weigh what feeds say of where the living live.

    Args:
        people: `person` rows; `person_id`, `birth_date`, `death_date` suffice.
        records: `source_record` rows; the columns `RECORDS` suffice.
        links, relationships, gazetteer: rows of `person_link`, `relationship` and `dwelling`.
        closed: as `ceased` makes it.
        trust: for each feed, what its contract says of an attribute, 0 to 1; of `address` alone is read.
        protected: people and dwellings of which nothing may be told.
        previous: the last night's `occupancy` and `person_link`: a feed that writes a new address over the old one
            takes nothing from what was known. None on the first night.
        night: the day on which they live there.
        key: secret of home ids.

    Returns:
        The stays, sorted, and what was learnt of each kind of evidence. The same for rows in any order.
    """
    alive = people.filter(pl.col("death_date").is_null()).select("person_id", "birth_date").sort("person_id")
    told = _evidence(records, links, closed, gazetteer, alive, night)
    learnt, cells = _learn(told, trust)
    stays = told.select("person_id", "dwelling").unique().sort("person_id", "dwelling")
    kinds = gazetteer.select(pl.col("uprn").alias("dwelling"), "kind", pl.col("postcode").alias("of_dwelling"))
    stays = stays.join(kinds.unique("dwelling"), on="dwelling", how="left", maintain_order="left")
    stays = stays.with_columns(pl.col("kind").fill_null("unknown"))
    company = _company(links, records, relationships)
    stays = stays.with_columns(_weighed(stays, told, cells, company, records, links, alive, night))
    stays = _described(stays, told, night)
    stays = _two_homes(stays, relationships, links, alive, night)
    stays = _taken_along(stays, company, records, links, alive, night)
    crowd = (pl.col("state") == "main").sum().over("dwelling") > CROWD
    hmo = pl.col("kind").is_in(FAMILY) & crowd
    stays = stays.with_columns(pl.when(hmo).then(pl.lit("hmo")).otherwise("kind").alias("kind"))
    stays = stays.filter(
        ~pl.col("person_id").is_in(protected.people.implode())
        & ~pl.col("dwelling").is_in(protected.dwellings.implode())
    )
    stays = stays.hstack([home_ids(stays["dwelling"], key)])
    stays = _remembered(stays, previous, links, protected, key, night)
    return Found(stays.select(_STAY).sort("person_id", "home_id"), learnt)


_STAY = (
    *("person_id", "dwelling", "home_id", "kind", "postcode", "from", "to", "state", "evidence", "certainty"),
    *("seen", "open"),
)


def home_ids(dwellings: pl.Series, key: bytes) -> pl.Series:
    """What stands for each dwelling outside the vault: a keyed hash, the same every night."""
    distinct = dwellings.unique()
    ids = [hmac.digest(key, f"home\x1f{one}".encode(), "sha256").hex()[:32] for one in distinct.to_list()]
    return dwellings.replace_strict(distinct, pl.Series(ids, dtype=pl.String), return_dtype=pl.String).alias("home_id")


def _evidence(
    records: pl.DataFrame,
    links: pl.DataFrame,
    closed: pl.DataFrame,
    gazetteer: pl.DataFrame,
    alive: pl.DataFrame,
    night: date,
) -> pl.DataFrame:
    """Every address that a record of the living gives, and how it stands.

    `state` is `dated` (since a day, and not ended), `overtaken` (dated, but the person has a later one elsewhere),
    `plain`, `closed` (the feed keeps the record no longer), `second` or `left`.
    """
    own = records.select(
        "record_id", "feed", "uprn", "address", "postcode", pl.col("address_from").alias("from"),
        pl.col("address_to").alias("to"), "seen_on", pl.lit(True).alias("own"),
    )  # fmt: skip
    more = records.filter(pl.col("other_addresses").list.len() > 0).select(
        "record_id", "feed", "seen_on", "other_addresses"
    )
    more = more.explode("other_addresses").unnest("other_addresses").rename({"text": "address"})
    told = pl.concat([own, more.with_columns(pl.lit(False).alias("own")).select(own.columns)])
    told = told.hstack([named(told, gazetteer)]).drop("uprn", "address").drop_nulls("dwelling")
    told = told.join(links.select("record_id", "person_id"), on="record_id").join(alive, on="person_id", how="semi")
    told = told.join(closed, on="record_id", how="left")
    past = (pl.col("to") <= night).fill_null(False)
    state = (
        pl.when(past).then(pl.lit("left"))
        .when(pl.col("own") & pl.col("ceased").is_not_null()).then(pl.lit("closed"))
        .when(~pl.col("own")).then(pl.lit("second"))
        .when(pl.col("from").is_not_null()).then(pl.lit("dated"))
        .otherwise(pl.lit("plain"))
    )  # fmt: skip
    told = told.with_columns(state.alias("state"))
    told = told.with_columns(pl.when(pl.col("state") == "dated").then("from").max().over("person_id").alias("latest"))
    late = (pl.col("state") == "dated") & (pl.col("from") < pl.col("latest"))
    elsewhere = (
        told.filter((pl.col("state") == "dated") & (pl.col("from") == pl.col("latest")))
        .select("person_id", pl.col("dwelling").alias("newest"))
        .sort("person_id", "newest")
        .unique("person_id", keep="first", maintain_order=True)
    )
    told = told.join(elsewhere, on="person_id", how="left")
    overtaken = (late & (pl.col("dwelling") != pl.col("newest"))).fill_null(False)
    state = pl.when(overtaken).then(pl.lit("overtaken")).otherwise("state")
    seen = pl.max_horizontal("seen_on", "from").alias("seen")
    return told.with_columns(state.alias("state"), seen).drop("latest", "newest", "own")


def _learn(told: pl.DataFrame, trust: Mapping[str, Mapping[str, float]]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """How often each kind of evidence tells the present home, and `person_id`, `dwelling`, `odds` of each word of it.

    Only people of whom feeds name more than one dwelling teach: of the others nothing contradicts anything. Shares
    are rounded to a hundredth, so that a night's few new records do not tip the scales for everyone else.
    """
    cells = told.select("person_id", "dwelling", "feed", "state").unique()
    cells = cells.sort("person_id", "dwelling", "feed", "state")
    claimed = pl.DataFrame(
        {"feed": list(trust), "claimed": [float(told_of.get("address", USUAL_TRUST)) for told_of in trust.values()]},
        schema={"feed": pl.String, "claimed": pl.Float64},
    )
    kinds = cells.select("feed", "state").unique().sort("feed", "state").join(claimed, on="feed", how="left")
    open_ = 0.3 + 0.6 * pl.col("claimed").fill_null(USUAL_TRUST)
    first = pl.when(pl.col("state") == "left").then(0.05).when(pl.col("state").is_in(["dated", "plain"])).then(open_)
    kinds = kinds.with_columns(first.otherwise(0.3).alias("claimed"))
    kinds = kinds.with_row_index("kind_of")
    cells = cells.join(
        kinds.select("feed", "state", "kind_of"), on=["feed", "state"], how="left", maintain_order="left"
    )
    several = cells.filter(pl.col("dwelling").n_unique().over("person_id") > 1)
    person = several["person_id"].rle_id().to_numpy()
    stay = several.select(pl.struct("person_id", "dwelling").rle_id()).to_series().to_numpy()
    kind_of = several["kind_of"].to_numpy()
    begin = kinds["claimed"].to_numpy()
    share, rows = begin, np.bincount(kind_of, minlength=len(begin))
    if len(stay):
        start = np.flatnonzero(np.r_[True, stay[1:] != stay[:-1]])
        owner = person[start]
        for _ in range(ROUNDS):
            chance = _shares(np.bincount(stay, weights=_odds(share)[kind_of]), owner)
            right = np.bincount(kind_of, weights=chance[stay], minlength=len(begin))
            share = ((right + PRIOR * begin) / (rows + PRIOR)).clip(0.01, 0.99)
    share = share.round(2).clip(0.01, 0.99)
    learnt = kinds.with_columns(pl.Series("learnt", share), pl.Series("rows", rows)).drop("kind_of")
    return learnt, cells.with_columns(pl.Series("odds", _odds(share)).gather(cells["kind_of"])).drop("kind_of")


def _odds(share: np.ndarray) -> np.ndarray:
    return np.log(share / (1 - share))


def _shares(odds: np.ndarray, owner: np.ndarray, besides: np.ndarray | None = None) -> np.ndarray:
    """Probabilities of what each owner has to choose from; `owner` is sorted. `besides`: log odds of none of it."""
    if not len(odds):
        return odds
    start = np.flatnonzero(np.r_[True, owner[1:] != owner[:-1]])
    width = np.diff(np.r_[start, len(owner)])
    top = np.maximum.reduceat(odds, start)
    if besides is not None:
        top = np.maximum(top, besides[start])
    raised = np.exp(odds - np.repeat(top, width))
    total = np.add.reduceat(raised, start)
    if besides is not None:
        total = total + np.exp(besides[start] - top)
    return raised / np.repeat(total, width)


def _company(links: pl.DataFrame, records: pl.DataFrame, relationships: pl.DataFrame) -> pl.DataFrame:
    """`person_id`, `other`: who shares a source's household key with whom, or is kin; both ways, each once."""
    owner = links.select("record_id", "person_id")
    keyed = records.filter(pl.col("household_key").is_not_null()).select("record_id", "feed", "household_key")
    keyed = keyed.join(owner, on="record_id").select("person_id", "feed", "household_key").unique()
    keyed = keyed.filter(pl.len().over("feed", "household_key") <= CROWD)
    shared = keyed.join(keyed.rename({"person_id": "other"}), on=["feed", "household_key"]).select("person_id", "other")
    kin = related(relationships, links, KINDRED)
    back = kin.select(pl.col("other").alias("person_id"), pl.col("person_id").alias("other"))
    both = pl.concat([shared, kin, back]).filter(pl.col("person_id") != pl.col("other"))
    return both.unique().sort("person_id", "other")


def related(relationships: pl.DataFrame, links: pl.DataFrame, kinds: tuple[str, ...]) -> pl.DataFrame:
    """`person_id`, `other`: who is one of these to whom, as some feed says and none has ended."""
    owner = links.select("record_id", "person_id")
    rows = relationships.filter(pl.col("kind").str.to_lowercase().is_in(kinds) & pl.col("end").is_null())
    rows = rows.select("record_id", "other_record_id").join(owner, on="record_id")
    rows = rows.join(owner.rename({"record_id": "other_record_id", "person_id": "other"}), on="other_record_id")
    return rows.select("person_id", "other").unique().sort("person_id", "other")


def _weighed(
    stays: pl.DataFrame,
    told: pl.DataFrame,
    cells: pl.DataFrame,
    company: pl.DataFrame,
    records: pl.DataFrame,
    links: pl.DataFrame,
    alive: pl.DataFrame,
    night: date,
) -> pl.Series:
    """The probability that each stay is the person's home now; those of one person add up to 1 or less."""
    if stays.is_empty():
        return pl.Series("chance", [], dtype=pl.Float64)
    keyed = stays.select("person_id", "dwelling").with_row_index("at")
    at = cells.join(keyed, on=["person_id", "dwelling"], how="left", maintain_order="left")
    odds = np.bincount(at["at"].to_numpy(), weights=at["odds"].to_numpy(), minlength=stays.height)
    owner = stays["person_id"].rle_id().to_numpy()
    days = (pl.lit(night) - pl.col("seen").max()).dt.total_days()
    last = told.group_by("person_id").agg(days.alias("days"))
    absent = pl.when(pl.col("days") <= FRESH).then(NOWHERE[FRESH]).when(pl.col("days") <= OLD).then(NOWHERE[OLD])
    last = last.with_columns(absent.otherwise(NOWHERE[None]).alias("nowhere"))
    nowhere = stays.join(last, on="person_id", how="left", maintain_order="left")["nowhere"].to_numpy()
    pairs = _pairs(stays, company, records, links, alive, night)
    here, there, worth = (pairs[name].to_numpy() for name in ("here", "there", "worth"))
    strange = worth == 0
    chance = _shares(odds, owner, nowhere)
    for _ in range(TOGETHER):
        alone = np.bincount(here, weights=np.log1p(-worth * chance[there]), minlength=len(odds))
        drawn = -np.expm1(alone)  # at least one of those who belong together is there
        others = np.zeros(len(odds))
        np.maximum.at(others, here[strange], chance[there[strange]])
        chance = _shares(odds + DRAWN * drawn - PUSHED * others * (1 - drawn), owner, nowhere)
    return pl.Series("chance", chance).round(6)


def _pairs(
    stays: pl.DataFrame,
    company: pl.DataFrame,
    records: pl.DataFrame,
    links: pl.DataFrame,
    alive: pl.DataFrame,
    night: date,
) -> pl.DataFrame:
    """Two people of one dwelling: `here`, `there` (places of their stays), `worth`: how much the one draws the other.

    Dwellings where strangers live under one roof are left out: nobody there draws or pushes.
    """
    at = stays.select("person_id", "dwelling", "kind").with_row_index("at")
    several = pl.len().over("person_id") > 1
    at = at.with_columns(several.alias("several"))
    homes = at.filter(pl.col("kind").is_in(FAMILY) & (pl.len().over("dwelling") <= CANDIDATES))
    homes = homes.select("at", "person_id", "dwelling", "several")
    both = homes.join(
        homes.select("dwelling", pl.col("at").alias("there"), pl.col("person_id").alias("other")), on="dwelling"
    )
    both = both.filter(pl.col("person_id") != pl.col("other")).rename({"at": "here"})
    two = both.group_by("person_id", "other").agg(pl.len().alias("shared"), pl.col("several").first())
    born = alive.select("person_id", ((pl.lit(night) - pl.col("birth_date")).dt.total_days() / 365.25).alias("age"))
    two = two.join(born, on="person_id", how="left")
    two = two.join(born.rename({"person_id": "other", "age": "other_age"}), on="other", how="left")
    two = two.join(company.with_columns(pl.lit(True).alias("company")), on=["person_id", "other"], how="left")
    asked = two.filter(pl.col("company").is_null() & (pl.col("shared") == 1))  # of the others it would add nothing
    two = two.join(namesakes(asked, records, links), on=["person_id", "other"], how="left")
    older = (pl.col("other_age") - pl.col("age")).is_between(*GENERATION).fill_null(False)
    worth = pl.max_horizontal(
        pl.when(pl.col("company")).then(KIN).otherwise(0.0),
        pl.when(pl.col("shared") > 1).then(TWO_ADDRESSES).otherwise(0.0),
        pl.when(pl.col("namesake")).then(NAMESAKE).otherwise(0.0),
        pl.when(older & (pl.col("age") < 18)).then(GROWN_UP).otherwise(0.0),
    )
    young = (pl.col("other_age") < 18).fill_null(False)
    grown = (pl.col("age") >= 18) & ((older & pl.col("several")) | young)
    two = two.select("person_id", "other", (worth * pl.when(grown).then(GROWN).otherwise(1.0)).alias("worth"))
    return both.join(two, on=["person_id", "other"]).select("here", "there", "worth").sort("here", "there")


def namesakes(pairs: pl.DataFrame, records: pl.DataFrame, links: pl.DataFrame) -> pl.DataFrame:
    """`person_id`, `other`, `namesake`: those of the pairs who have a family name, or part of one, in common."""
    asked = pl.concat([pairs["person_id"], pairs["other"]]).unique().to_frame()
    owner = links.select("record_id", "person_id").join(asked, on="person_id", how="semi")
    held = records.select("record_id", "surname", "other_names").join(owner, on="record_id")
    others = held.filter(pl.col("other_names").list.len() > 0).explode("other_names")
    others = others.select("person_id", pl.col("other_names").struct.field("surname"))
    names = pl.concat([held.select("person_id", "surname"), others]).drop_nulls().unique()
    parts = names.select("person_id", pl.col("surname").str.split(" ").alias("name")).explode("name").drop_nulls()
    parts = parts.filter(pl.col("name").str.len_chars() > 2).unique()
    shared = pairs.select("person_id", "other").join(parts, on="person_id")
    shared = shared.join(parts.rename({"person_id": "other"}), on=["other", "name"], how="semi")
    return shared.select("person_id", "other", pl.lit(True).alias("namesake")).unique()


def _described(stays: pl.DataFrame, told: pl.DataFrame, night: date) -> pl.DataFrame:
    """Stays with when, on whose word and how surely. The likeliest home is the main one; the others were left."""
    still = pl.col("state").is_in(["dated", "plain", "second"])
    words = told.group_by("person_id", "dwelling").agg(
        pl.col("from").min().alias("first"),
        pl.col("from").filter(pl.col("state") == "dated").min().alias("since"),
        pl.coalesce("to", "ceased").filter(pl.col("state").is_in(["left", "closed"])).max().alias("until"),
        pl.col("feed").unique().sort().alias("evidence"),
        pl.col("feed").filter(still).unique().sort().alias("still"),
        pl.col("seen").max().alias("seen"),
        pl.col("postcode").drop_nulls().sort().first().alias("postcode"),
    )
    stays = stays.join(words, on=["person_id", "dwelling"], how="left", maintain_order="left")
    best = stays.sort("person_id", "chance", "dwelling", descending=[False, True, False])
    best = best.unique("person_id", keep="first", maintain_order=True).filter(pl.col("chance") >= HERE)
    main = best.select("person_id", "dwelling", pl.lit("main").alias("state"), pl.col("since").alias("moved"))
    stays = stays.join(main.drop("moved"), on=["person_id", "dwelling"], how="left", maintain_order="left")
    stays = stays.join(main.select("person_id", "moved"), on="person_id", how="left", maintain_order="left")
    is_main = pl.col("state").is_not_null()
    # a home is left on the day that its own feeds say, else when a feed that dates its address has the next one
    begun = pl.coalesce("since", "first")
    next_one = pl.when((pl.col("moved") >= begun).fill_null(True)).then("moved")
    days = (pl.lit(night) - pl.col("seen")).dt.total_days()
    backed = (pl.col("still").list.len() > 1) | pl.col("since").is_not_null() | (days <= FRESH).fill_null(False)
    certainty = (
        pl.when((pl.col("chance") >= SURE) & backed).then(pl.lit("strong"))
        .when((pl.col("chance") >= LIKELY) & (backed | (days <= OLD).fill_null(True))).then(pl.lit("some"))
        .otherwise(pl.lit("weak"))
    )  # fmt: skip
    return stays.with_columns(
        pl.col("state").fill_null("former"),
        begun.alias("from"),
        pl.when(~is_main).then(pl.coalesce("until", next_one)).alias("to"),
        pl.when(is_main & (pl.col("still").list.len() > 0)).then("still").otherwise("evidence").alias("evidence"),
        pl.when(is_main).then(certainty).otherwise(pl.lit("some")).alias("certainty"),
        pl.coalesce("of_dwelling", "postcode").alias("postcode"),
        (pl.col("still").list.len() > 0).alias("open"),
    )


def _two_homes(
    stays: pl.DataFrame, relationships: pl.DataFrame, links: pl.DataFrame, alive: pl.DataFrame, night: date
) -> pl.DataFrame:
    """Call a child's other address a second home where a parent lives at each and both are vouched for now.

    Recent evidence of an open address is asked of both, from feeds that were found about equally right, or one feed
    that has both at once; otherwise an old address would look like a second home.
    """
    young = pl.col("birth_date") > pl.lit(night).dt.offset_by("-18y")
    child = alive.filter(young.fill_null(False)).select(pl.col("person_id").alias("other"))
    parent = related(relationships, links, PARENTAL).join(child, on="other", how="semi")
    back = related(relationships, links, ("child",)).select(other="person_id", person_id="other")
    parent = pl.concat([parent.select("other", "person_id"), back.join(child, on="other", how="semi")]).unique()
    home = stays.filter(pl.col("state") == "main").select("person_id", "dwelling")
    has_parent = parent.join(home, on="person_id").select(pl.col("other").alias("person_id"), "dwelling").unique()
    days = (pl.lit(night) - pl.col("seen")).dt.total_days()
    vouched = stays.filter(pl.col("open") & ((days <= FRESH) | pl.col("since").is_not_null()).fill_null(False))
    vouched = vouched.join(has_parent, on=["person_id", "dwelling"], how="semi")
    both = vouched.filter((pl.len().over("person_id") > 1) & (pl.col("state") == "main").any().over("person_id"))
    second = both.filter((pl.col("state") == "former") & pl.col("until").is_null()).select(
        "person_id", "dwelling", pl.lit(True).alias("second")
    )
    stays = stays.join(second, on=["person_id", "dwelling"], how="left", maintain_order="left")
    is_second = pl.col("second").fill_null(False)
    return stays.with_columns(
        pl.when(is_second).then(pl.lit("second")).otherwise("state").alias("state"),
        pl.when(~is_second).then("to").alias("to"),
    )


def _taken_along(
    stays: pl.DataFrame,
    company: pl.DataFrame,
    records: pl.DataFrame,
    links: pl.DataFrame,
    alive: pl.DataFrame,
    night: date,
) -> pl.DataFrame:
    """Place, weakly, those whose own addresses do not tell where they live with those who tell it for them.

    Someone of no address at all lives where most of those live with whom a feed places them. A child is not left
    behind: where no adult lives at a child's last address any longer, and the adults of the family who did live
    elsewhere now, the child went with them.
    """
    years = ((pl.lit(night) - pl.col("birth_date")).dt.total_days() / 365.25).alias("age")
    age = alive.select("person_id", years)
    main = stays.filter(pl.col("state") == "main").select("person_id", "dwelling", "kind", "postcode")
    grown = main.join(age.filter((pl.col("age") >= 18).fill_null(True)), on="person_id", how="semi")
    child = age.filter(pl.col("age") < 18).join(
        main.join(grown.select("dwelling").unique(), on="dwelling", how="semi"), on="person_id", how="anti"
    )
    home = main.rename({"person_id": "other"})
    lost = alive.select("person_id").join(stays, on="person_id", how="anti")
    with_company = lost.join(company, on="person_id").join(home, on="other")
    left = stays.filter(pl.col("state") == "former").select(pl.col("person_id").alias("other"), "dwelling")
    both = child.join(stays.select("person_id", "dwelling"), on="person_id").join(left, on="dwelling")
    both = both.join(age.rename({"person_id": "other", "age": "other_age"}), on="other")
    both = both.filter((pl.col("other_age") - pl.col("age")).is_between(*GENERATION))
    both = both.select("person_id", "other").unique()
    family = pl.concat(
        [
            both.join(company, on=["person_id", "other"], how="semi"),
            namesakes(both, records, links).select("person_id", "other"),
        ]
    )
    found = pl.concat([with_company, family.unique().join(home, on="other")])
    found = found.group_by("person_id", "dwelling").agg(
        pl.col("other").n_unique().alias("n"), pl.col("kind").min(), pl.col("postcode").min()
    )
    found = found.sort("person_id", "n", "dwelling", descending=[False, True, False])
    found = found.unique("person_id", keep="first", maintain_order=True).drop("n")
    found = found.with_columns(
        pl.lit("main").alias("state"), pl.lit([], pl.List(pl.String)).alias("evidence"),
        pl.lit("weak").alias("certainty"), pl.lit(False).alias("open"),
    )  # fmt: skip
    there = found.select("person_id", "dwelling", pl.lit(True).alias("now"))
    moved = pl.col("person_id").is_in(found["person_id"].implode())
    stays = stays.join(there, on=["person_id", "dwelling"], how="left", maintain_order="left").filter(
        pl.col("now").is_null()
    )
    stays = stays.with_columns(
        pl.when(moved).then(pl.lit("former")).otherwise("state").alias("state"),
        pl.when(moved).then(pl.lit("some")).otherwise("certainty").alias("certainty"),
    )
    return pl.concat([stays.drop("now"), found], how="diagonal")


def _remembered(
    stays: pl.DataFrame,
    previous: tuple[pl.DataFrame, pl.DataFrame] | None,
    links: pl.DataFrame,
    protected: Protected,
    key: bytes,
    night: date,
) -> pl.DataFrame:
    """Add homes of earlier nights that no feed tells any longer, as former ones.

    Only for people none of whose records has gone or become another person's since: what a link brought goes with it,
    and what a source withdraws is not kept.
    """
    if previous is None:
        return stays
    before, was = previous
    now = was.select("record_id", pl.col("person_id").alias("old")).join(
        links.select("record_id", "person_id"), on="record_id", how="left"
    )
    whole = now.group_by("old").agg(
        pl.col("person_id").n_unique().alias("n"), pl.col("person_id").null_count().alias("gone"),
        pl.col("person_id").drop_nulls().first(),
    )  # fmt: skip
    whole = whole.filter((pl.col("n") == 1) & (pl.col("gone") == 0)).select(pl.col("old"), "person_id")
    hidden = home_ids(protected.dwellings, key)
    kept = before.rename({"person_id": "old"}).join(whole, on="old").drop("old")
    kept = kept.filter(
        ~pl.col("person_id").is_in(protected.people.implode()) & ~pl.col("home_id").is_in(hidden.implode())
    )
    kept = kept.join(stays, on=["person_id", "home_id"], how="anti")
    main = stays.filter(pl.col("state") == "main").select("person_id", pl.col("from").alias("moved"))
    kept = kept.join(main.unique("person_id"), on="person_id", how="left")
    next_one = pl.when((pl.col("moved") >= pl.col("from")).fill_null(True)).then("moved")
    kept = kept.sort("person_id", "home_id", "from").unique(["person_id", "home_id"], keep="first", maintain_order=True)
    kept = kept.with_columns(
        pl.coalesce("to", next_one, pl.lit(night)).alias("to"), pl.lit("former").alias("state"),
        pl.lit(False).alias("open"), pl.lit("some").alias("certainty"),
    ).drop("moved")  # fmt: skip
    return pl.concat([stays, kept], how="diagonal_relaxed")
