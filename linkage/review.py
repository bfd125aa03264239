"""Which pairs of records a person should look at, in the order of what a decision on each would teach.

What belongs here: choosing and ordering, and the random sample from which precision and recall are estimated. What
was decided is kept by `linkage.decisions`; showing a pair needs names, and belongs in `pipelines`.
"""

from __future__ import annotations

import math

import numpy as np
import polars as pl

from governance.pseudonyms import SEPARATOR, hashed
from linkage.cluster import bridges
from linkage.conform import READ
from linkage.decisions import SAME, UNSURE, conflicts, in_force
from linkage.model import Model

KINDS = {
    "conflict": "reviewers disagree about them",
    "second": "a second opinion is asked for",
    "changed": "decided, but a record has changed since",
    "apart": "alike, yet kept apart by a rule or by the records around them",
    "bridge": "the one link that holds two halves of a person together",
    "grey": "neither alike nor different enough to tell",
    "sample": "drawn at random, to measure how right the links are",
}
LEAST_DOUBT = {"conflict": 1.0, "second": 0.9, "changed": 0.5, "apart": 0.6, "bridge": 0.25, "grey": 0.0}
WAITED_FOR = {"conflict": 4.0, "second": 2.0}  # stake of what somebody has spent time on already
BELIEF = 2.0  # how many decisions on pairs of one pattern the model's own probability is worth
PAIR = ["record_l", "record_r"]
ENDS = ["uid_l", "uid_r"]
UNIT = ["unit_l", "unit_r"]
TOGETHER = pl.col("person_l") == pl.col("person_r")
QUEUE = pl.Schema(
    {
        "record_l": pl.String,
        "record_r": pl.String,
        "person_l": pl.String,
        "person_r": pl.String,
        "kind": pl.String,
        "weight": pl.Float64,  # bits; null where the two were never compared
        "moved": pl.Int64,  # records that would stand with another person, were it decided otherwise
        "outputs": pl.Int64,  # flags, open cases and the like that rest on the people
        "decided": pl.Int64,  # earlier decisions on pairs that agree and differ in the same way
        "waiting": pl.Int64,  # pairs in this list that do
        "value": pl.Float64,  # what a decision would teach
    }
)
STRATA = ("shared id", "strong", "grey, above the cut", "grey, below the cut", "weak", "never compared")


def stamps(records: pl.DataFrame, key: bytes) -> pl.DataFrame:
    """`record_id`, `stamp`: a keyed hash of all that linkage reads of a record, the same for as long as it says so.

    It lasts from one version of the tools to the next, as the row's own hash need not.

    Args:
        records: `source_record` rows.
        key: secret of the hash.
    """
    told = [c for c in READ if c not in ("record_id", "seen_on", "row_hash")]
    nested = [c for c in told if isinstance(records.schema[c], pl.List)]
    text = pl.concat_str(
        *(
            (pl.struct(c).struct.json_encode() if c in nested else pl.col(c).cast(pl.String)).fill_null("")
            for c in told
        ),
        separator=SEPARATOR,
    )
    return records.select("record_id", hashed(records.select(text).to_series(), key).alias("stamp"))


def last_words(decisions: pl.DataFrame) -> pl.DataFrame:
    """What each person said last of each pair and has not taken back: `link_decision` rows, the oldest first.

    Args:
        decisions: every decision ever made.
    """
    told = decisions.filter(pl.col("withdrawn_at").is_null()).sort("decided_at", "decision_id")
    return told.unique([*PAIR, "by", "who"], keep="last", maintain_order=True)


def queue(
    edges: pl.DataFrame,
    links: pl.DataFrame,
    model: Model,
    decisions: pl.DataFrame,
    concerned: pl.DataFrame,
    who: str,
    changed: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """The pairs to ask about, the most telling first.

    One pair is asked for two people, or for two halves of one person, whatever the number of pairs between them: the
    one that is most alike. A pair that is decided and stands is asked again only where it is disputed, where a second
    opinion was asked for, or where a record has changed since.

    What a decision teaches is doubt x (stake + lesson). Doubt is the entropy in bits of whether the two are one person,
    from the weight above the cut and from what was decided of pairs with the same levels; stake is how many records
    and outputs would move; lesson is how many such pairs wait and how few were decided.

    Args:
        edges: `match_edge` rows.
        links: `person_link` rows of the same night.
        model: the model in force: its cut and its grey band.
        decisions: every decision ever made (`link_decision` rows).
        concerned: `person_id`, `outputs`: how much rests on a person; those who are not there count none.
        who: the reviewer; what they have spoken on themselves is left out unless it is `changed`.
        changed: `record_l`, `record_r`: pairs decided of which a record says something else now.

    Returns:
        Rows as `QUEUE` says, in order; the same for the same input in any order.
    """
    changed = pl.DataFrame(schema=dict.fromkeys(PAIR, pl.String)) if changed is None else changed.select(PAIR)
    standing, disputed = in_force(decisions), conflicts(decisions).select(PAIR)
    words = last_words(decisions)
    mine = words.filter(pl.col("who") == who).select(PAIR).unique()
    unsure = words.filter(pl.col("verdict") == UNSURE).select(PAIR).unique().join(standing, on=PAIR, how="anti")
    people = links.select("record_id", pl.col("person_id").rank("dense").cast(pl.Int64).alias("person"))
    people = people.sort("record_id").with_row_index("uid").cast({"uid": pl.Int64})
    likely = edges.filter(pl.col("match_weight") >= model.grey[0])
    known = _placed(likely.select(*PAIR, pl.col("match_weight").alias("weight"), "levels"), people)
    decided = _placed(standing.select(*PAIR, "verdict"), people)

    firm = pl.concat(
        [
            known.filter((pl.col("weight") > model.grey[1]) & TOGETHER).select(ENDS),
            decided.filter((pl.col("verdict") == SAME) & TOGETHER).select(ENDS),
        ]
    ).unique()
    core = _components(people.height, firm)
    known, decided = _units(known, core), _units(decided, core)
    settled = decided.select(UNIT).unique()
    open_ = known.filter(pl.col("unit_l") != pl.col("unit_r")).join(settled, on=UNIT, how="anti")
    open_ = open_.sort("weight", *ENDS, descending=[True, False, False]).unique(UNIT, keep="first", maintain_order=True)
    sizes = np.concatenate([np.bincount(people["person"].to_numpy()), np.bincount(core, minlength=people.height)])
    persons = len(sizes) - people.height
    small = np.minimum(*(_size(open_, end, sizes, persons) for end in ("l", "r")))
    strong = ~TOGETHER & (pl.col("weight") >= max(model.grey[1], model.cut))
    open_ = open_.with_columns(
        pl.when(strong).then(pl.lit("apart")).otherwise(pl.lit("grey")).alias("kind"), pl.Series("moved", small)
    )
    held = bridges(core, firm.with_columns(weight=0.0, never=False), 0.0)
    thin = known.join(held.select(*ENDS, "moved").filter(pl.col("moved") > 1), on=ENDS)
    thin = thin.with_columns(pl.lit("bridge").alias("kind"))
    asked = {"conflict": disputed, "changed": changed, "second": unsure}
    again = _placed(
        pl.concat([told.select(PAIR).with_columns(pl.lit(kind).alias("kind")) for kind, told in asked.items()]), people
    ).join(known.select(*ENDS, "weight", "levels"), on=ENDS, how="left", maintain_order="left")
    again = again.with_columns(pl.lit(1, pl.Int64).alias("moved"))

    columns = [*PAIR, "person_l", "person_r", "kind", "weight", "levels", "moved"]
    fresh = pl.concat([open_.select(columns), thin.select(columns)]).join(standing, on=PAIR, how="anti")
    every = pl.concat([again.select(columns), fresh]).unique(PAIR, keep="first", maintain_order=True)
    every = every.join(mine.join(changed, on=PAIR, how="anti"), on=PAIR, how="anti")
    ids = people.with_columns(links.sort("record_id")["person_id"]).unique("person").sort("person")
    rest = ids.join(concerned, on="person_id", how="left").select("person", "person_id", pl.col("outputs").fill_null(0))
    for end in ("l", "r"):
        every = every.join(
            rest.rename({"person": f"person_{end}", "person_id": f"id_{end}", "outputs": f"outputs_{end}"}),
            on=f"person_{end}",
        )
    outputs = pl.col("outputs_l") + pl.when(TOGETHER).then(0).otherwise(pl.col("outputs_r"))
    every = every.with_columns(outputs.cast(pl.Int64).alias("outputs"))
    return _valued(every, known, decided, model.cut)


def sample(edges: pl.DataFrame, links: pl.DataFrame, model: Model, per_stratum: int, seed: int) -> pl.DataFrame:
    """Pairs drawn at random within strata, from which precision and recall can be estimated once they are decided.

    The strata are the pairs that were scored, by how alike they are and by whether they stand with one person, and the
    pairs that stand with one person though they were never compared. Pairs of different people that no key brought
    together are not among them: recall is estimated of the pairs that were compared.

    Args:
        edges: `match_edge` rows.
        links: `person_link` rows of the same night.
        model: the model in force.
        per_stratum: how many pairs to draw of each; a stratum that holds fewer is taken whole.
        seed: of the draw; the same rows in any order and the same seed give the same sample.

    Returns:
        `record_l`, `record_r`, `stratum`, `linked` (whether they stand with one person), `size` (pairs in the
        stratum) and `drawn` (how many of them are here): a pair stands for `size / drawn` pairs.
    """
    stands = links.select("record_id", "person_id")
    weight, low, high = pl.col("match_weight"), *model.grey
    band = (
        pl.when(pl.col("by") == "bridge").then(pl.lit(STRATA[0])).when(weight >= high).then(pl.lit(STRATA[1]))
        .when(weight >= model.cut).then(pl.lit(STRATA[2])).when(weight >= low).then(pl.lit(STRATA[3]))
        .otherwise(pl.lit(STRATA[4]))
    )  # fmt: skip
    scored = (
        edges.select(*PAIR, band.alias("stratum"))
        .join(stands.rename({"record_id": "record_l", "person_id": "one"}), on="record_l")
        .join(stands.rename({"record_id": "record_r", "person_id": "other"}), on="record_r")
        .select(*PAIR, "stratum", (pl.col("one") == pl.col("other")).alias("linked"))
    )
    sizes = stands.filter(pl.len().over("person_id") > 1)
    within = sizes.join(sizes, on="person_id", suffix="_r").filter(pl.col("record_id") < pl.col("record_id_r"))
    unscored = within.select(pl.col("record_id").alias("record_l"), pl.col("record_id_r").alias("record_r"))
    unscored = unscored.join(edges.select(PAIR), on=PAIR, how="anti").with_columns(
        pl.lit(STRATA[5]).alias("stratum"), pl.lit(True).alias("linked")
    )
    every = pl.concat([scored, unscored]).sort(PAIR)
    draw = pl.Series("draw", np.random.default_rng(seed).random(every.height))
    stratum = ["stratum", "linked"]
    chosen = (
        every.with_columns(draw, pl.len().cast(pl.Int64).over(stratum).alias("size"))
        .filter(pl.col("draw").rank("ordinal").over(stratum) <= per_stratum)
        .with_columns(pl.len().cast(pl.Int64).over(stratum).alias("drawn"))
    )
    return chosen.sort("draw").select(*PAIR, *stratum, "size", "drawn")


# -- inside --------------------------------------------------------------------------------------------------------


def _placed(pairs: pl.DataFrame, people: pl.DataFrame) -> pl.DataFrame:
    """Pairs with `uid` and `person` of both ends; a pair of which a record is gone is left out."""
    for end in ("l", "r"):
        ends = people.rename({"record_id": f"record_{end}", "uid": f"uid_{end}", "person": f"person_{end}"})
        pairs = pairs.join(ends, on=f"record_{end}", maintain_order="left")
    return pairs


def _components(height: int, pairs: pl.DataFrame) -> np.ndarray:
    """A number for the component of each uid over the pairs (`uid_l`, `uid_r`)."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    ends = pairs["uid_l"].to_numpy(), pairs["uid_r"].to_numpy()
    graph = coo_array((np.ones(pairs.height, dtype=np.int8), ends), shape=(height, height))
    return connected_components(graph, directed=False)[1].astype(np.int64)


def _units(pairs: pl.DataFrame, core: np.ndarray) -> pl.DataFrame:
    """Pairs with what a decision is about: two people, or two cores (counted from -1 down) of one; smaller first."""
    told = [
        pl.when(TOGETHER).then(-1 - pl.Series(core[pairs[f"uid_{end}"].to_numpy()])).otherwise(pl.col(f"person_{end}"))
        for end in ("l", "r")
    ]
    return pairs.with_columns(pl.min_horizontal(told).alias("unit_l"), pl.max_horizontal(told).alias("unit_r"))


def _size(pairs: pl.DataFrame, end: str, sizes: np.ndarray, persons: int) -> np.ndarray:
    """How many records a unit holds: people stand first in `sizes`, cores after them."""
    unit = pairs[f"unit_{end}"].to_numpy()
    return sizes[np.where(unit < 0, persons - 1 - unit, unit)]


def _valued(every: pl.DataFrame, known: pl.DataFrame, decided: pl.DataFrame, cut: float) -> pl.DataFrame:
    """The pairs with what a decision on each would teach, in order; of like pairs each further one teaches less."""
    patterns = known.join(decided.select(*ENDS, "verdict"), on=ENDS)
    earlier = (
        patterns.with_columns(_pattern())
        .group_by("pattern")
        .agg(pl.len().cast(pl.Int64).alias("decided"), (pl.col("verdict") == SAME).sum().alias("same"))
    )
    rows = every.with_columns(_pattern()).join(earlier, on="pattern", how="left", maintain_order="left")
    rows = rows.with_columns(
        pl.col("decided", "same").fill_null(0), pl.len().cast(pl.Int64).over("pattern").alias("waiting")
    )
    above = (pl.col("weight").fill_null(cut) - cut).clip(-30, 30)
    likely = (BELIEF / (1 + (-above * math.log(2)).exp()) + pl.col("same")) / (BELIEF + pl.col("decided"))
    likely = likely.clip(1e-9, 1 - 1e-9)
    doubt = -(likely * likely.log(2) + (1 - likely) * (1 - likely).log(2))
    doubt = pl.max_horizontal(doubt, pl.col("kind").replace_strict(LEAST_DOUBT, return_dtype=pl.Float64))
    waited = pl.col("kind").replace_strict(WAITED_FOR, default=0.0, return_dtype=pl.Float64)
    stake = (1 + pl.col("moved")).log(2) + 2 * (1 + pl.col("outputs")).log(2) + waited
    rows = rows.with_columns(doubt.alias("doubt"), stake.alias("stake")).with_columns(
        (pl.col("doubt") * pl.col("stake")).rank("ordinal", descending=True).over("pattern").alias("turn")
    )
    lesson = (1 + pl.col("waiting")).log(2) / (pl.col("decided") + pl.col("turn"))
    rows = rows.with_columns((pl.col("doubt") * (pl.col("stake") + lesson)).round(6).alias("value"))
    rows = rows.with_columns(pl.col("id_l").alias("person_l"), pl.col("id_r").alias("person_r"))
    rows = rows.sort("value", *PAIR, descending=[True, False, False])
    return rows.select(pl.col(name).cast(kind) for name, kind in QUEUE.items())


def _pattern() -> pl.Expr:
    """In what way two records agree and differ: the levels as one text; none where they were never compared."""
    return pl.col("levels").cast(pl.List(pl.String)).list.join(" ").fill_null("").alias("pattern")
