-- Who runs: so that what a dead `effsweep run` held is told from what a live one holds, and what measuring gave up on.

-- One `effsweep run`.
CREATE TABLE runs (
    id              INTEGER PRIMARY KEY,
    sweep_id        INTEGER REFERENCES sweeps (id) ON DELETE SET NULL, -- NULL once that is forgotten
    machine_id      INTEGER NOT NULL REFERENCES machines (id),
    lease           TEXT    NOT NULL UNIQUE, -- names its lock file: it lives as long as somebody holds that
    pid             INTEGER NOT NULL,
    workers         INTEGER NOT NULL CHECK (workers > 0),
    memory_bytes    INTEGER CHECK (memory_bytes > 0), -- budget of all its workers together
    program_version TEXT    NOT NULL,
    started_at      TEXT    NOT NULL,
    ended_at        TEXT -- NULL too for one that died: nobody saw its end
) STRICT;

-- NULL for attempts of earlier versions.
ALTER TABLE attempts ADD COLUMN run_id INTEGER REFERENCES runs (id);

-- A round of measurements without a result. `run` leaves its configuration alone until `retry` removes the row.
CREATE TABLE measurement_failures (
    id               INTEGER PRIMARY KEY,
    configuration_id INTEGER NOT NULL REFERENCES configurations (id),
    machine_id       INTEGER NOT NULL REFERENCES machines (id),
    threads          INTEGER NOT NULL CHECK (threads > 0),
    round            INTEGER NOT NULL CHECK (round >= 0),
    cause            TEXT    NOT NULL, -- as of attempts
    exit_status      INTEGER,
    signal           INTEGER,
    message          TEXT,
    log_tail         TEXT,
    peak_rss_bytes   INTEGER CHECK (peak_rss_bytes >= 0),
    failed_at        TEXT    NOT NULL,
    program_version  TEXT    NOT NULL
) STRICT;

CREATE INDEX measurement_failures_by_configuration ON measurement_failures (configuration_id);
