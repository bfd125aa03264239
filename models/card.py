"""The model card as a page that people read.

What belongs here: the card's words and layout, made from `card.json` alone. What it says was decided in training.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

PAGE = """<!doctype html>
<html lang="en-GB">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>Model card: {{ card.outcome.outcome }}</title>
<style>
body { font: 19px/1.5 Arial, sans-serif; color: #0b0c0c; max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
table { border-collapse: collapse; margin: 1rem 0 } caption { text-align: left; font-weight: bold }
th, td { border-bottom: 1px solid #b1b4b6; padding: .3rem 1rem .3rem 0; text-align: left; vertical-align: top }
td.number { text-align: right }
</style>
</head>
<body>
<h1>Model card: {{ card.outcome.outcome }}</h1>
<p><strong>{{ "Passed its gate: flags may be raised." if passed
   else "Missed its gate: it raises no flag, and the rules go on alone." }}</strong></p>
<h2>What it is for</h2>
<p>{{ card.outcome.plain_words }}. It orders the list of the team {{ card.outcome.team }}, which takes
{{ card.outcome.capacity.a_week }} a week; the list holds {{ card.measures.list_length }}.
A flag states recorded facts and prescribes nothing.
It must not be used to decide about a family, nor for any other purpose.</p>
<p>What is predicted stands for: {{ card.outcome.proxy_for }}</p>
<h2>The gate</h2>
<table><caption>Thresholds written before training</caption>
<tr><th scope="col">Threshold</th><th scope="col">Asked</th><th scope="col">Found (95% interval)</th>
<th scope="col">Result</th><th scope="col">What it means</th></tr>
{% for line in card.gate -%}
<tr><th scope="row">{{ line.threshold.replace("_", " ") }}</th><td>{{ line.asked }}</td><td>{{ line.found }}</td>
<td>{{ "passed" if line.passed else "missed" }}</td><td>{{ line.words }}</td></tr>
{% endfor -%}
</table>
<h2>How good it is</h2>
<p>Tested on {{ card.measures.rows }} rows of {{ card.measures.people }} people, month starts
{{ card.months.test.first }} to {{ card.months.test.last }}; {{ card.measures.people_with_outcome }} had the outcome.
Each was scored by a fit that had seen nothing of their household, on months that ended {{ card.outcome.horizon }}
before.</p>
<table><caption>Measures on the test months</caption>
<tr><th scope="col">Measure</th><th scope="col">Value</th><th scope="col">95% interval</th></tr>
{% for name, of in card.measures.items() if of is mapping and "low" in of -%}
<tr><th scope="row">{{ name.replace("_", " ") }}</th><td class="number">{{ of.value }}</td>
<td>{{ of.low }} to {{ of.high }}</td></tr>
{% endfor -%}
</table>
<p>Half of those rightly flagged were flagged {{ card.measures.lead_days_median }} days or more before it happened.</p>
<table><caption>By group, on the team's list; sex and ethnicity are read here only and are not features</caption>
<tr><th scope="col">Group</th><th scope="col">People</th><th scope="col">With the outcome</th>
<th scope="col">Flagged</th><th scope="col">Found in time</th><th scope="col">Right</th>
<th scope="col">Observed over expected</th>
<th scope="col">Found in time, ratio to the largest</th></tr>
{% for row in card.measures.groups -%}
<tr><th scope="row">{{ row.kind.replace("_", " ") }}: {{ row.group }}</th><td class="number">{{ row.people }}</td>
<td class="number">{{ row.people_with_outcome }}</td><td class="number">{{ row.flagged }}</td>
<td class="number">{{ row.recall }}</td><td class="number">{{ row.precision }}</td>
<td class="number">{{ row.observed_over_expected }}</td>
<td>{% if "recall_ratio" in row %}{{ row.recall_ratio.value }}
({{ row.recall_ratio.low }} to {{ row.recall_ratio.high }}){% endif %}</td></tr>
{% endfor -%}
</table>
<h2>How it was made</h2>
<p>Facts known by {{ card.data_until }}. Trained on {{ card.months.train.months }} month starts
from {{ card.months.train.first }} to {{ card.months.train.last }}, calibrated on {{ card.months.calibrate.first }} to
{{ card.months.calibrate.last }}. Deployed:
{{ "boosted trees" if card.deployed == "trees" else "logistic regression" }},
chosen at the team's capacity, out of fold, on the months before the test; the simpler on a tie. More of
{{ card.outcome.increasing | join(", ") | replace("_", " ") }} never lowers a score.</p>
<h2>What to know</h2>
<ul>
<li>Households are those of today, also for the past. Among people whose home was already theirs on the day
({{ "%.0f" | format(100 * card.measures["model: auc, homes unchanged"].share_of_rows) }}% of rows) the AUC is
{{ card.measures["model: auc, homes unchanged"].value }}.</li>
<li>The label is a service's response, not need: who is not seen or referred has no label.</li>
<li>Rows tested for the deployed mean of {{ card.training.folds }} fits were each scored by one of them.</li>
</ul>
<h2>Features</h2>
<table><caption>{{ card.features | length }} features</caption>
<tr><th scope="col">Name</th><th scope="col">Meaning</th></tr>
{% for feature in card.features -%}
<tr><th scope="row">{{ feature.name }}</th><td>{{ feature.meaning }}</td></tr>
{% endfor -%}
</table>
</body>
</html>
"""


def render(card: Mapping[str, Any]) -> str:
    """The card as one HTML page that needs no network."""
    from jinja2 import Environment, StrictUndefined

    page = Environment(autoescape=True, undefined=StrictUndefined).from_string(PAGE)
    passed = all(line["passed"] for line in card["gate"])
    return page.render(card=card, passed=passed)
