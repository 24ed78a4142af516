from avsc.reproduce.plan import Options, Request


def test_rows_of_raw_images_take_views_and_others_stay() -> None:
    runs = Request(("table2", "table4"), options=Options(views=16)).runs()
    for run in runs:
        train = run.recipe.train
        raw = train.strategy != "audio" and train.image_source() == "raw"
        assert train.views == (16 if raw else None), run.name
    assert {run.recipe.train.views for run in runs} == {16, None}


def test_each_seed_needs_the_audio_run_of_its_own_seed() -> None:
    runs = Request(("table4",), options=Options(seeds=3)).runs()
    assert len(runs) == 3 * len(Request(("table4",)).runs())
    names = {run.name for run in runs}
    for run in runs:
        assert run.name.endswith(f"/seed-{run.recipe.train.seed}")
        if run.needs:
            assert run.needs in names
            assert run.needs.rpartition("/")[2] == run.name.rpartition("/")[2]
