"""The data dictionary says everything that the definitions say."""

from warehouse.dictionary import markdown
from warehouse.tables import TABLES, Column


def test_every_table_and_column_is_there_with_its_meaning():
    text = markdown()
    for table in TABLES.values():
        assert f"### {table.name}\n\n{table.meaning}\n" in text
        for column in table.columns:
            assert f"| `{column.name}` | " in text
            assert column.meaning in text


def test_types_read_without_polars():
    text = markdown()
    assert "| `disagreements` | list of (attribute: text, value: text, feeds: list of text) | yes |" in text
    assert "| `known_from` | timestamp |  |" in text
    assert "| `row_hash` | whole number |  |" in text
    assert "| `deceased` | true or false |  |" in text
    assert not any(word in text for word in ("Int32", "Datetime", "String", "Struct"))


def test_declared_features_stand_beside_the_columns_of_their_table():
    more = {"feature_snapshot": [Column("calls", TABLES["risk_flag"].schema["probability"], "calls | visits")]}
    assert "| `calls` | number |  | calls \\| visits |" in markdown(more)
