"""Opens an exported study with Optuna itself, and compares it with the CSV of the same sweep.

    pip install optuna pandas pyarrow
    effsweep export SWEEP --format optuna --output study.log
    effsweep export SWEEP --output results.csv && effsweep export SWEEP --format parquet --output results.parquet
    python tests/peers/optuna_study.py study.log results.csv results.parquet
"""

import sys

import optuna
import pandas


def main():
    log, csv, parquet = sys.argv[1:]
    storage = optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend(log))
    (name,) = optuna.study.get_all_study_names(storage)
    study = optuna.load_study(study_name=name, storage=storage)
    rows = pandas.read_csv(csv)
    complete = study.get_trials(states=[optuna.trial.TrialState.COMPLETE])
    assert len(complete) == rows.top1.notna().sum(), (len(complete), rows.top1.notna().sum())
    best = max(trial.values[study.metric_names.index("top1")] for trial in complete)
    assert best == rows.top1.max(), (best, rows.top1.max())
    keys = {(trial.user_attrs["trial"], trial.params["test_resolution"]) for trial in complete}
    assert keys == set(zip(rows.trial_key, rows.test_resolution))
    columns = pandas.read_parquet(parquet)
    assert list(columns.columns) == list(rows.columns) and len(columns) == len(rows)
    assert (columns.top1 == rows.top1).all()
    print(f"{name}: {len(complete)} complete trials over {study.metric_names}, {len(study.best_trials)} of them best")


if __name__ == "__main__":
    main()
