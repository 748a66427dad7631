"""The forecast on the page: the band, money under the labels, the tables, and the first screen."""

import pytest

from support.planted import findings, planted, trials, usual
from support.synthetic import World
from transfergain.report.page import html, svg
from transfergain.report.page.panels import data_efficiency
from transfergain.report.page.panels.base import DatasetView
from transfergain.split import TEST


@pytest.fixture(scope="module")
def known():
    world = World(score=usual, budgets=(64, 256, 1024), seeds=3, n_test=300)
    return findings(trials(world), label_cost=0.5, currency="EUR")


def test_the_curve_goes_on_dotted_in_its_band(known):
    figure = data_efficiency.learning_curve(DatasetView(known, "reviews"), TEST)
    dotted = [t for t in figure.traces if t.get("line", {}).get("dash") == "dot" and t.get("legendgroup") == "full"]
    (line,) = dotted
    assert line["x"] == [1024, 2048, 4096] and line["showlegend"] is False
    rows = [r for r in known.forecast if (r.arm, r.measure) == ("full", "forecast")]
    assert line["y"] == pytest.approx([100 * row.estimate for row in rows])
    band = next(t for t in figure.traces if t.get("fill") and t["legendgroup"] == "full" and 4096 in t["x"])
    assert max(band["y"]) == pytest.approx(100 * max(row.high for row in rows))
    assert "what more labels probably bring" in figure.description


def test_money_stands_under_the_labels(known):
    figure = data_efficiency.learning_curve(DatasetView(known, "reviews"), TEST)
    axis = figure.layout["xaxis"]
    assert axis["ticktext"] == ["64<br>32", "256<br>128", "1,024<br>512", "2,048<br>1,024", "4,096<br>2,048"]
    assert axis["title"]["text"].endswith("what they cost in EUR")
    picture = svg.draw(figure)
    assert ">1,024</text>" in picture and ">2,048</text>" in picture and "&lt;br" not in picture


def test_without_a_price_there_is_no_money():
    figure = data_efficiency.learning_curve(DatasetView(planted("usual"), "reviews"), TEST)
    assert "64" in figure.layout["xaxis"]["ticktext"] and "cost" not in figure.layout["xaxis"]["title"]["text"]


def test_the_panel_has_forecasts_and_crossings(known):
    captions = {table.caption: table for table in data_efficiency.build(DatasetView(known, "reviews")).tables}
    table = captions["reviews: forecast of accuracy in % with more labels, median with 90 % interval"]
    assert [row[:2] for row in table.groups[0].rows] == [["2,048", "512"], ["4,096", "1,536"]]
    assert "Where curves cross on reviews" in captions


def test_the_first_screen_says_what_the_next_labels_cost(known):
    page = html.render(known)
    assert "next 1,024 labels (512 EUR) probably" in page.split("What this study cannot say")[0]
    assert "dotted: forecast, 90 %" in page


@pytest.mark.long
def test_numbers_of_labels_too_close_for_their_words_share_a_tick():
    """2,000 and 4,000 were asked for, and stand for 2,048 and 4,096, which are drawn without being asked for."""
    world = World(score=usual, budgets=(64, 256, 1024), seeds=2, n_test=100)
    asked = findings(trials(world), forecast=[2000, 4000, 900])
    axis = data_efficiency.learning_curve(DatasetView(asked, "reviews"), TEST).layout["xaxis"]
    assert axis["tickvals"] == [64, 256, 1024, 2000, 4000]
    low, high = axis["range"]
    assert 10**low < 64 and 10**high > 4096, "the last words have room"


def test_the_first_screen_advises_in_one_sentence(known):
    (advice,) = [of.more_labels.advice for of in known.summary.datasets]
    assert advice.startswith("Take ") and "the next 1,024 (512 EUR)" in advice
    page = html.render(known)
    assert f'<p class="take"><b>{advice}</b></p>' in page and page.index(advice) < page.index("By number of labels")


def test_the_panel_says_what_a_point_takes(known):
    captions = {table.caption: table for table in data_efficiency.build(DatasetView(known, "reviews")).tables}
    rows = captions["What labels buy on reviews"].groups[0].rows
    assert [row[-1] for row in rows] == [row.sentence for row in known.forecast if row.measure != "forecast"]
