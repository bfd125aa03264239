"""Why two records are one person or are not, and what holds a person together: evidence in words and bits, no values.

What belongs here: explaining what the other modules did. Nothing here decides anything.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from linkage.conform import conform
from linkage.model import (
    BRIDGE,
    CHILD_AMONG_ADULTS,
    FORENAME_AGREES,
    GENERATION,
    MIDDLE_NAME,
    NEAR_BIRTH,
    NO_FORENAME,
    OTHER_BIRTH,
    OTHER_FORENAME,
    OTHER_SURNAME,
    OTHER_SURNAME_AT_DOOR,
    PARENT_AND_CHILD,
    SAME_BIRTH,
    SIBLINGS,
    TWINS,
    TWO_PEOPLE,
    Model,
    compare,
    weigh,
)

PAIR = ["record_l", "record_r"]
PRIOR, RARITY = "two records at random", "rarity of names"
WIDE, SHORT = 1000, 24  # pixels of a chart, letters under a bar's name
RULE, SHARED, FEEDS = "seen together", "a shared valid id", "the two feeds"
# what the comparisons say when they are read together, the first that holds
PATTERNS = (
    (TWO_PEOPLE, "two valid ids, and the names or the birth dates differ too"),
    (TWINS, "other forename, same birth date, as twins have"),
    (OTHER_FORENAME & NEAR_BIRTH, "other forename, and nearly the same birth date"),
    (OTHER_FORENAME & OTHER_BIRTH, "other forename and other birth date, as brothers and sisters have"),
    (OTHER_FORENAME, "another forename, and no birth date to compare"),
    (GENERATION, "a generation apart, as parent and child are"),
    (CHILD_AMONG_ADULTS, "a child, where the feed of the other knows adults only"),
    (MIDDLE_NAME & ~SAME_BIRTH, "the forename of one is the middle name of the other, as in families"),
    (NO_FORENAME, "no forename to compare"),
    (OTHER_SURNAME & SAME_BIRTH, "same birth date, but neither surname nor address agrees"),
    (
        OTHER_SURNAME_AT_DOOR & FORENAME_AGREES,
        "same door and forename under another surname, and few who live together share a forename",
    ),
    (OTHER_SURNAME_AT_DOOR, "same door, but another surname and no birth date to compare"),
)
FORBIDS = (
    (TWINS, "twins: another forename and the same birth date"),
    (SIBLINGS, "brothers or sisters: another forename and another birth date"),
    (PARENT_AND_CHILD, "parent and child: born a generation apart"),
    (TWO_PEOPLE, "two valid ids, and the names or the birth dates differ too"),
    (CHILD_AMONG_ADULTS, "a child, where the feed of the other knows adults only"),
)
SAID = {
    "same": "the same person",
    "different": "different people",
    "never": "never to be linked",
}
SPOKE = {"reviewer": "a reviewer", "council": "the council's own matching", "register": "the do-not-link register"}


@dataclass(frozen=True)
class Step:
    """One thing that counts: what was compared, the level that it reached, and its worth in bits."""

    what: str
    level: str
    bits: float


@dataclass(frozen=True)
class Link:
    """One scored pair on the way between two records."""

    record_l: str
    record_r: str
    weight: float
    by: str
    agrees: tuple[str, ...]


def short(link: Link, feeds: Mapping[str, str]) -> str:
    """A link in one line: its records by feed and id, its weight, and what agrees best."""
    one, other = (f"{feeds.get(record, '?')} {record}" for record in (link.record_l, link.record_r))
    return f"{one} - {other}: {link.weight:+.1f} bits; {'; '.join(link.agrees) or 'nothing agrees strongly'}"


@dataclass(frozen=True)
class Why:
    """Why two records are one person tonight, or are not.

    Attributes:
        pair: their ids; `feeds` of each.
        steps: what counts, in order: the prior first; the bits sum up to `weight`.
        weight: bits.
        cut: bits from which a pair is joined.
        grey: between which a person should look.
        forbidden: why the two may not be one person, whatever they weigh; none where they may.
        people: the person of each tonight; none for a record that no night has linked.
        scored: whether a key brought the two together, so that tonight's edges hold the pair.
        path: where they are one person, the strongest way from one to the other.
        decisions: what people said of the pair, in words.
    """

    pair: tuple[str, str]
    feeds: tuple[str, str]
    steps: tuple[Step, ...]
    weight: float
    cut: float
    grey: tuple[float, float]
    forbidden: str | None
    people: tuple[str | None, str | None]
    scored: bool
    path: tuple[Link, ...] = ()
    decisions: tuple[str, ...] = ()

    @property
    def together(self) -> bool:
        """Whether the two stand with one person tonight."""
        return self.people[0] is not None and self.people[0] == self.people[1]

    @property
    def probability(self) -> float:
        """The weight as a probability."""
        return 1 / (1 + 2.0 ** -max(-60.0, min(60.0, self.weight)))


def why(
    rows: pl.DataFrame,
    model: Model,
    edges: pl.DataFrame,
    links: pl.DataFrame,
    decisions: pl.DataFrame,
    record_l: str,
    record_r: str,
) -> Why:
    """Weigh a pair anew and say what counts.

    Args:
        rows: all of what `conform.prepare` returns: what is shared too often counts only when all is seen.
        model: the model in force.
        edges: `match_edge` rows of the night.
        links: `person_link` rows of the night.
        decisions: as `decisions.in_force` returns it.
        record_l, record_r: two records, either way round.

    Raises:
        KeyError: the night has no such record.
    """
    first, second = sorted((record_l, record_r))
    both = rows.filter(pl.col("record_id").is_in([first, second])).sort("uid")
    for record in (first, second):
        if record not in both["record_id"]:
            raise KeyError(record)
    if first == second:
        raise ValueError("Name two records; this is one.")
    uid = both["uid"].to_list()
    scored = compare(conform(both), pl.DataFrame({"uid_l": uid[:1], "uid_r": uid[1:]}), model, -math.inf, None)
    final = weigh(scored, model)
    levels = scored.select(pl.col(r"^g\d+$")).row(0)
    alone, weight = float(scored["weight"].item()), float(final["weight"].item())
    prior = math.log2(model.prior / (1 - model.prior))
    steps = [Step(PRIOR, "how often they are one person", prior)]
    steps += [Step(name, label, bits) for name, label, bits in model.told(levels)]
    rarity = alone - sum(step.bits for step in steps)
    if abs(rarity) > 0.005:
        rare = "rarer than most" if rarity > 0 else "more common than most"
        steps.append(Step(RARITY, rare, rarity))
    met = float(scored["met"].item())
    if abs(met) > 0.005:
        often = "more often one person than most records" if met > 0 else "more seldom one person than most records"
        steps.append(Step(FEEDS, often, met))
    ruled = _ruled(scored, model)
    if abs(ruled) > 1e-9:
        steps.append(Step(RULE, _first(scored, PATTERNS) or "names alone agree, and names run in communities", ruled))
    lifted = weight - sum(step.bits for step in steps)
    if abs(lifted) > 1e-6:
        steps.append(Step(SHARED, f"stands for at least {BRIDGE:g} bits", lifted))
    forbidden = None
    if bool(final["never"].item()):
        forbidden = _first(scored, FORBIDS) or "a rule over several comparisons"
    stands = dict(links.filter(pl.col("record_id").is_in([first, second])).select("record_id", "person_id").rows())
    people = (stands.get(first), stands.get(second))
    known = edges.filter((pl.col("record_l") == first) & (pl.col("record_r") == second))
    path: tuple[Link, ...] = ()
    if people[0] is not None and people[0] == people[1]:
        path = tuple(_path(held(people[0], links, edges, model).tree, first, second))
    said = decisions.filter((pl.col("record_l") == first) & (pl.col("record_r") == second))
    feeds = dict(both.select("record_id", "feed").rows())
    return Why(
        pair=(first, second),
        feeds=(feeds[first], feeds[second]),
        steps=tuple(steps),
        weight=weight,
        cut=model.cut,
        grey=model.grey,
        forbidden=forbidden,
        people=people,
        scored=bool(known.height),
        path=path,
        decisions=tuple(
            f"{SPOKE.get(row['by'], row['by'])} says: {SAID.get(row['verdict'], row['verdict'])}"
            for row in said.iter_rows(named=True)
        ),
    )


def _ruled(scored: pl.DataFrame, model: Model) -> float:
    """What reading the comparisons together adds, before a shared id lifts the pair."""
    far = scored.with_columns(pl.lit(10 * BRIDGE).alias("weight"), met=0.0)  # so far up that no id lifts it further
    return float(weigh(far, model)["weight"].item()) - 10 * BRIDGE


def _first(scored: pl.DataFrame, told: Sequence[tuple[pl.Expr, str]]) -> str | None:
    return next((words for holds, words in told if bool(scored.select(holds).item())), None)


@dataclass(frozen=True)
class Held:
    """What holds a person together.

    Attributes:
        person_id, members: who, and the records that stand with them.
        tree: the strongest links that join all records, the weakest first (a maximum spanning tree).
        halves: how many records stand on either side of the weakest; none where one record stands alone.
        loose: records that no link of the night joins to the rest: they stand here by a decision or an id of the
            council.
    """

    person_id: str
    members: tuple[str, ...]
    tree: tuple[Link, ...]
    halves: tuple[int, int] | None
    loose: int

    @property
    def records(self) -> int:
        """How many records stand with the person."""
        return len(self.members)


def held(person_id: str, links: pl.DataFrame, edges: pl.DataFrame, model: Model) -> Held:
    """Find what holds a person together (J. B. Kruskal, On the shortest spanning subtree of a graph, 1956).

    Args:
        person_id: the person.
        links, edges: `person_link` and `match_edge` rows of the night.
        model: the model in force.

    Raises:
        KeyError: nobody has this id tonight.
    """
    members = links.filter(pl.col("person_id") == person_id)["record_id"].sort()
    if not len(members):
        raise KeyError(person_id)
    inside = edges.filter(pl.col("record_l").is_in(members.implode()) & pl.col("record_r").is_in(members.implode()))
    inside = inside.sort("match_weight", *PAIR, descending=[True, False, False])
    root = {record: record for record in members}

    def find(record: str) -> str:
        while root[record] != record:
            root[record] = record = root[root[record]]
        return record

    tree = []
    for row in inside.iter_rows(named=True):
        one, other = find(row["record_l"]), find(row["record_r"])
        if one != other:
            root[one] = other
            tree.append(_link(row, model))
    tree.reverse()
    halves = None
    if tree:
        side = _reached(tree[1:], tree[0].record_l)
        halves = (len(side), len(_reached(tree[1:], tree[0].record_r)))
    return Held(person_id, tuple(members), tuple(tree), halves, len(members) - 1 - len(tree))


def _link(row: Mapping[str, Any], model: Model) -> Link:
    best = sorted(model.told(row["levels"]), key=lambda told: -told[2])
    agrees = tuple(f"{name}: {label}" for name, label, bits in best[:3] if bits > 0)
    return Link(row["record_l"], row["record_r"], row["match_weight"], row["by"], agrees)


def _reached(tree: Sequence[Link], start: str) -> set[str]:
    near: dict[str, list[str]] = {}
    for link in tree:
        near.setdefault(link.record_l, []).append(link.record_r)
        near.setdefault(link.record_r, []).append(link.record_l)
    seen, open_ = {start}, [start]
    while open_:
        for record in near.get(open_.pop(), ()):
            if record not in seen:
                seen.add(record)
                open_.append(record)
    return seen


def _path(tree: Sequence[Link], start: str, end: str) -> list[Link]:
    """The links of a tree from one record to another, in order; none where the tree does not join them."""
    came: dict[str, Link] = {}
    open_ = [start]
    seen = {start}
    while open_:
        record = open_.pop()
        for link in tree:
            if record in (link.record_l, link.record_r):
                other = link.record_r if link.record_l == record else link.record_l
                if other not in seen:
                    seen.add(other)
                    came[other] = link
                    open_.append(other)
    path: list[Link] = []
    here = end
    while here != start:
        if here not in came:
            return []
        link = came[here]
        path.append(link)
        here = link.record_r if link.record_l == here else link.record_l
    return path[::-1]


# -- in words --------------------------------------------------------------------------------------------------------


def sentences(told: Why) -> list[str]:
    """The answer in words, without a value: what stands tonight first, then the evidence."""
    one, other = told.feeds
    between = f"two records of {one}" if one == other else f"a record of {one} and a record of {other}"
    if told.together:
        first = f"Yes: {between} are one person tonight."
    elif None in told.people:
        first = f"No: {between} have not both been linked yet; the next night links them."
    else:
        first = f"No: {between} are two people tonight."
    lines = [first]
    verdict = "would join" if told.weight >= told.cut else "would not join"
    lines.append(
        f"Their own evidence weighs {told.weight:+.1f} bits ({told.probability:.1%}); the cut is {told.cut:+.1f}, so "
        f"that by itself it {verdict} them."
    )
    if told.forbidden:
        lines.append(f"They may not be one person, whatever they weigh, for they look like {told.forbidden}.")
    if not told.scored:
        lines.append("No key brought the two together tonight: they were weighed for this answer alone.")
    lines += [f"Decided: {said}." for said in told.decisions]
    direct = [link for link in told.path if {link.record_l, link.record_r} == set(told.pair)]
    if told.together and not direct and told.path:
        weakest = min(link.weight for link in told.path)
        lines.append(
            f"They stand together by way of {len(told.path) - 1} other "
            f"{'record' if len(told.path) == 2 else 'records'}; the weakest link on the way weighs {weakest:+.1f} bits."
        )
    elif told.together and not told.path:
        lines.append(
            "No scored links lead from one to the other: a decision or the council's own id holds them together."
        )
    elif not told.together and told.weight >= told.cut and not told.forbidden and not told.decisions:
        lines.append(
            "They weigh enough, but the records around them speak against it (average linkage keeps them apart)."
        )
    if told.grey[0] <= told.weight <= told.grey[1]:
        lines.append("The weight lies in the grey band: a person should look (`kinfold review`).")
    return lines


def table(told: Why) -> list[tuple[str, str, float, float]]:
    """What counts, and the sum so far: (what, level, bits, sum)."""
    rows, so_far = [], 0.0
    for step in told.steps:
        so_far += step.bits
        rows.append((step.what, step.level, step.bits, so_far))
    return rows


def waterfall(told: Why) -> dict[str, Any]:
    """Splink's own waterfall chart as a Vega-Lite spec, with levels in the place of values."""
    from splink.internals.charts import WaterfallChart

    records: list[dict[str, Any]] = []
    for what, level, bits in [*((s.what, s.level, s.bits) for s in told.steps), ("Final score", "", told.weight)]:
        records.append(
            {
                "column_name": "Prior" if what == PRIOR else what,
                "label_for_charts": level,
                "sql_condition": None,
                "log2_bayes_factor": bits,
                "bayes_factor": 2.0 ** max(-60.0, min(60.0, bits)),
                "comparison_vector_value": None,
                "m_probability": None,
                "u_probability": None,
                "bayes_factor_description": level,
                "value_l": level if len(level) <= SHORT else f"{level[: SHORT - 2]}…",
                "value_r": "",
                "term_frequency_adjustment": what == RARITY,
                "bar_sort_order": len(records),
                "record_number": 0,
            }
        )
    spec: dict[str, Any] = WaterfallChart(records).chart_dict
    spec["params"] = [{"name": "record_number", "value": 0}]  # one pair: nothing to slide to
    spec["width"] = {"step": max(70, min(125, WIDE // len(records)))}
    for layer in spec["layer"][0]["layer"]:
        mark = layer["mark"]
        if isinstance(mark, dict) and "fontSize" in mark:
            mark["fontSize"] = 10  # Splink's are too small for words
    return spec
