-- The results database of effsweep: what sweeps ask for, what was tried, what came out.
--
-- Conventions. Tables are STRICT. Times are TEXT, ISO 8601, UTC, milliseconds ('2026-01-31T12:00:00.000Z'),
-- so that they sort as text. Units stand in column names; shares and accuracies are 0 to 1; resolutions are
-- the side of a square image, pixels. NULL means "not known (yet)", never a number that stands for it.
-- States are checked here; the words of settings (preset, norm, optimizer) are not: new ones may come.
-- docs/database.md explains every column.

PRAGMA application_id = 1701209715; -- "effs": says whose file this is, to us and to file(1)

-- Who computed -------------------------------------------------------------------------------------------

CREATE TABLE machines (
    id            INTEGER PRIMARY KEY,
    fingerprint   TEXT    NOT NULL UNIQUE, -- hash of what speed depends on; the rest says it in words
    hostname      TEXT    NOT NULL,
    cpu_model     TEXT    NOT NULL,
    logical_cpus  INTEGER NOT NULL CHECK (logical_cpus > 0),
    memory_bytes  INTEGER CHECK (memory_bytes > 0),
    os            TEXT    NOT NULL,
    architecture  TEXT    NOT NULL,
    simd          TEXT    NOT NULL
) STRICT;

-- What is asked for ------------------------------------------------------------------------------------

CREATE TABLE sweeps (
    id          INTEGER PRIMARY KEY,
    name        TEXT NOT NULL UNIQUE,
    description TEXT,
    path        TEXT,
    text        TEXT NOT NULL, -- the sweep file, byte for byte, as last registered
    objectives  TEXT NOT NULL CHECK (json_valid(objectives)),
    created_at  TEXT NOT NULL,
    updated_at  TEXT NOT NULL
) STRICT;

-- One point of a grid, seed left out. A row is written once and never changed: its key is its content.
CREATE TABLE configurations (
    id                    INTEGER PRIMARY KEY,
    key                   TEXT    NOT NULL UNIQUE CHECK (length(key) = 32),
    preset                TEXT    NOT NULL,
    norm                  TEXT    NOT NULL,
    norm_groups           INTEGER CHECK (norm_groups > 0), -- of group norms
    group_size            INTEGER NOT NULL CHECK (group_size > 0),
    expand_ratio          REAL    NOT NULL CHECK (expand_ratio > 0),
    batch_size            INTEGER NOT NULL CHECK (batch_size > 0),
    train_resolution      INTEGER NOT NULL CHECK (train_resolution > 0),
    epochs                INTEGER NOT NULL CHECK (epochs > 0),
    optimizer             TEXT    NOT NULL,
    learning_rate         REAL    NOT NULL,
    image_set             TEXT    NOT NULL,
    canonical             TEXT    NOT NULL, -- what the key hashes: settings away from their defaults
    settings              TEXT    NOT NULL CHECK (json_valid(settings)), -- all of them, resolved
    classes               INTEGER NOT NULL CHECK (classes > 0),
    parameters            INTEGER NOT NULL CHECK (parameters > 0),
    macs                  INTEGER NOT NULL CHECK (macs > 0), -- of one image at train_resolution
    activation_bytes      INTEGER NOT NULL CHECK (activation_bytes > 0), -- of one image at train_resolution
    macs_deviation        REAL    NOT NULL, -- share, against the depthwise network of ratio 6
    parameters_deviation  REAL    NOT NULL,
    effective_group_sizes TEXT    NOT NULL CHECK (json_valid(effective_group_sizes)), -- one a block
    deviating_blocks      INTEGER NOT NULL CHECK (deviating_blocks >= 0)
) STRICT;

-- One training run: a configuration with a seed.
CREATE TABLE trials (
    id               INTEGER PRIMARY KEY,
    key              TEXT    NOT NULL UNIQUE CHECK (length(key) = 32),
    configuration_id INTEGER NOT NULL REFERENCES configurations (id),
    seed             INTEGER NOT NULL CHECK (seed >= 0),
    state            TEXT    NOT NULL DEFAULT 'planned'
                     CHECK (state IN ('planned', 'running', 'finished', 'diverged', 'failed')),
    train_s          REAL    CHECK (train_s >= 0),
    diverged_epoch   INTEGER CHECK (diverged_epoch >= 0),
    diverged_step    INTEGER CHECK (diverged_step >= 0),
    weights_path     TEXT,
    weights_checksum TEXT,
    data_fingerprint TEXT,
    ended_at         TEXT,
    -- The code and machine of the attempt that ended it.
    program_version  TEXT,
    git_commit       TEXT,
    git_dirty        INTEGER CHECK (git_dirty IN (0, 1)),
    machine_id       INTEGER REFERENCES machines (id),
    UNIQUE (configuration_id, seed),
    CHECK ((state = 'finished') = (train_s IS NOT NULL)),
    CHECK ((state = 'diverged') = (diverged_epoch IS NOT NULL)),
    CHECK ((diverged_epoch IS NULL) = (diverged_step IS NULL)),
    CHECK ((state IN ('planned', 'running')) = (ended_at IS NULL))
) STRICT;

-- The trials that a sweep asks for, in the order in which it wants them. Registering an edited sweep
-- replaces these rows and sweep_tests, and touches no trial: one that no sweep asks for keeps its results.
CREATE TABLE sweep_trials (
    sweep_id INTEGER NOT NULL REFERENCES sweeps (id) ON DELETE CASCADE,
    position INTEGER NOT NULL CHECK (position >= 0),
    trial_id INTEGER NOT NULL REFERENCES trials (id),
    PRIMARY KEY (sweep_id, position),
    UNIQUE (trial_id, sweep_id) -- no trial twice in a sweep; and which sweeps ask for a trial
) STRICT, WITHOUT ROWID;

-- The test resolutions at which a sweep asks for a configuration's accuracy.
CREATE TABLE sweep_tests (
    sweep_id         INTEGER NOT NULL REFERENCES sweeps (id) ON DELETE CASCADE,
    configuration_id INTEGER NOT NULL REFERENCES configurations (id),
    test_resolution  INTEGER NOT NULL CHECK (test_resolution > 0),
    aliased          INTEGER NOT NULL CHECK (aliased IN (0, 1)),
    PRIMARY KEY (sweep_id, configuration_id, test_resolution)
) STRICT, WITHOUT ROWID;

-- What was tried -----------------------------------------------------------------------------------------

-- One worker process at work on one trial.
CREATE TABLE attempts (
    id              INTEGER PRIMARY KEY,
    trial_id        INTEGER NOT NULL REFERENCES trials (id) ON DELETE CASCADE,
    number          INTEGER NOT NULL CHECK (number > 0),
    job             TEXT    NOT NULL CHECK (job IN ('train', 'evaluate')),
    state           TEXT    NOT NULL
                    CHECK (state IN ('running', 'finished', 'diverged', 'stopped', 'failed')),
    cause           TEXT, -- oom, timeout, hung, killed, panic, bad_config, io, exit
    exit_status     INTEGER,
    signal          INTEGER,
    message         TEXT,
    log_tail        TEXT,
    started_at      TEXT    NOT NULL,
    ended_at        TEXT, -- NULL too for the attempt of a runner that died: nobody saw its end
    resumed_epochs  INTEGER CHECK (resumed_epochs >= 0),
    peak_rss_bytes  INTEGER CHECK (peak_rss_bytes >= 0),
    user_cpu_s      REAL    CHECK (user_cpu_s >= 0),
    system_cpu_s    REAL    CHECK (system_cpu_s >= 0),
    pid             INTEGER,
    threads         INTEGER NOT NULL CHECK (threads > 0),
    machine_id      INTEGER NOT NULL REFERENCES machines (id),
    program_version TEXT    NOT NULL,
    git_commit      TEXT,
    git_dirty       INTEGER CHECK (git_dirty IN (0, 1)),
    UNIQUE (trial_id, number),
    CHECK ((state = 'failed') = (cause IS NOT NULL)),
    CHECK (state <> 'running' OR ended_at IS NULL)
) STRICT;

-- Two workers never share a trial. Also finds what a dead runner left behind without a scan.
CREATE UNIQUE INDEX attempts_running ON attempts (trial_id) WHERE state = 'running';

CREATE TABLE epochs (
    trial_id      INTEGER NOT NULL REFERENCES trials (id) ON DELETE CASCADE,
    epoch         INTEGER NOT NULL CHECK (epoch >= 0),
    train_loss    REAL    NOT NULL,
    train_top1    REAL    NOT NULL CHECK (train_top1 BETWEEN 0 AND 1),
    learning_rate REAL    NOT NULL,
    images        INTEGER NOT NULL CHECK (images > 0),
    elapsed_s     REAL    NOT NULL CHECK (elapsed_s >= 0),
    PRIMARY KEY (trial_id, epoch)
) STRICT, WITHOUT ROWID;

-- What came out ------------------------------------------------------------------------------------------

CREATE TABLE evaluations (
    id              INTEGER PRIMARY KEY,
    trial_id        INTEGER NOT NULL REFERENCES trials (id) ON DELETE CASCADE,
    test_resolution INTEGER NOT NULL CHECK (test_resolution > 0),
    fine_tuned      INTEGER NOT NULL DEFAULT 0 CHECK (fine_tuned IN (0, 1)), -- at the test resolution
    aliased         INTEGER NOT NULL CHECK (aliased IN (0, 1)),
    images          INTEGER NOT NULL CHECK (images > 0),
    top1_correct    INTEGER NOT NULL CHECK (top1_correct BETWEEN 0 AND top5_correct),
    top5_correct    INTEGER NOT NULL CHECK (top5_correct <= images),
    top1            REAL    NOT NULL GENERATED ALWAYS AS (1.0 * top1_correct / images) VIRTUAL,
    top5            REAL    NOT NULL GENERATED ALWAYS AS (1.0 * top5_correct / images) VIRTUAL,
    loss            REAL    NOT NULL,
    elapsed_s       REAL    NOT NULL CHECK (elapsed_s >= 0),
    UNIQUE (trial_id, test_resolution, fine_tuned)
) STRICT;

-- One round of throughput samples of one configuration.
CREATE TABLE measurements (
    id                INTEGER PRIMARY KEY,
    configuration_id  INTEGER NOT NULL REFERENCES configurations (id),
    machine_id        INTEGER NOT NULL REFERENCES machines (id),
    kind              TEXT    NOT NULL CHECK (kind IN ('train', 'inference')),
    resolution        INTEGER NOT NULL CHECK (resolution > 0),
    batch_size        INTEGER NOT NULL CHECK (batch_size > 0),
    threads           INTEGER NOT NULL CHECK (threads > 0),
    mode              TEXT    NOT NULL CHECK (mode IN ('exclusive', 'shared')),
    round             INTEGER NOT NULL CHECK (round >= 0),
    images_per_s      REAL    NOT NULL CHECK (images_per_s > 0), -- median of the samples
    images_per_s_low  REAL    NOT NULL CHECK (images_per_s_low <= images_per_s), -- 95 % interval
    images_per_s_high REAL    NOT NULL CHECK (images_per_s_high >= images_per_s),
    probe_before      REAL,
    probe_after       REAL,
    foreign_load      REAL    CHECK (foreign_load >= 0),
    quiet             INTEGER NOT NULL CHECK (quiet IN (0, 1)),
    peak_rss_bytes    INTEGER CHECK (peak_rss_bytes >= 0),
    taken_at          TEXT    NOT NULL,
    program_version   TEXT    NOT NULL,
    git_commit        TEXT,
    git_dirty         INTEGER CHECK (git_dirty IN (0, 1))
) STRICT;

-- "Which rounds of this configuration are still to be taken", and the join of every result with its speed.
CREATE INDEX measurements_by_configuration ON measurements (configuration_id, kind, resolution);

CREATE TABLE samples (
    measurement_id INTEGER NOT NULL REFERENCES measurements (id) ON DELETE CASCADE,
    position       INTEGER NOT NULL CHECK (position >= 0),
    elapsed_s      REAL    NOT NULL CHECK (elapsed_s > 0),
    PRIMARY KEY (measurement_id, position)
) STRICT, WITHOUT ROWID;

-- What to read -------------------------------------------------------------------------------------------

-- Computed columns are CAST: tools that go by declared types (DuckDB) see none on a bare expression.

-- Throughput over rounds: one row per configuration, kind, resolution, machine, batch, threads and code.
-- Only measurements that had the machine to themselves count. The value is the median of the rounds'
-- medians; the interval spans those of all rounds, so it holds what changed between them.
CREATE VIEW throughput AS
WITH
    ranked AS (
        SELECT
            configuration_id, machine_id, kind, resolution, batch_size, threads, program_version, git_commit,
            images_per_s, images_per_s_low, images_per_s_high, quiet, peak_rss_bytes, taken_at,
            row_number() OVER (one ORDER BY images_per_s) AS place,
            count(*) OVER one AS rounds
        FROM measurements
        WHERE mode = 'exclusive'
        WINDOW one AS (
            PARTITION BY
                configuration_id, kind, resolution, machine_id, batch_size, threads, program_version, git_commit
        )
    )
SELECT
    configuration_id, kind, resolution, machine_id, batch_size, threads, program_version, git_commit,
    CAST(avg(CASE WHEN place IN ((rounds + 1) / 2, (rounds + 2) / 2) THEN images_per_s END) AS REAL)
        AS images_per_s,
    CAST(min(images_per_s_low) AS REAL) AS images_per_s_low,
    CAST(max(images_per_s_high) AS REAL) AS images_per_s_high,
    CAST(count(*) AS INTEGER) AS rounds,
    CAST(min(quiet) AS INTEGER) AS quiet,
    CAST(max(peak_rss_bytes) AS INTEGER) AS peak_rss_bytes,
    CAST(max(taken_at) AS TEXT) AS taken_at,
    -- 1 for the row taken last of its configuration, kind and resolution: the one that results show. Here,
    -- and not in a query around this one: SQLite then builds no index to join it by.
    CAST(row_number() OVER (
        PARTITION BY configuration_id, kind, resolution
        ORDER BY max(taken_at) DESC, machine_id DESC, batch_size DESC, threads DESC
    ) = 1 AS INTEGER) AS newest
FROM ranked
GROUP BY configuration_id, kind, resolution, machine_id, batch_size, threads, program_version, git_commit;

-- One row per trial, whatever its state: its settings, its course, its training speed.
CREATE VIEW trial_overview AS
SELECT
    t.id AS trial_id,
    t.configuration_id,
    t.key AS trial_key,
    c.key AS configuration_key,
    t.state,
    c.preset, c.norm, c.norm_groups, c.group_size, c.expand_ratio, c.batch_size, c.train_resolution, t.seed,
    c.epochs, c.optimizer, c.learning_rate, c.image_set, c.classes,
    c.parameters, c.macs, c.activation_bytes, c.macs_deviation, c.parameters_deviation,
    t.train_s AS train_time_s,
    s.images_per_s AS train_images_per_s,
    s.images_per_s_low AS train_images_per_s_low,
    s.images_per_s_high AS train_images_per_s_high,
    s.quiet AS train_quiet,
    s.machine_id AS train_machine_id,
    CAST((SELECT max(a.peak_rss_bytes) FROM attempts AS a WHERE a.trial_id = t.id) / 1048576.0 AS REAL)
        AS peak_memory_mib,
    CAST((SELECT count(*) FROM attempts AS a WHERE a.trial_id = t.id) AS INTEGER) AS attempts,
    t.diverged_epoch, t.ended_at, t.program_version, t.git_commit, t.git_dirty
FROM trials AS t
JOIN configurations AS c ON c.id = t.configuration_id
LEFT JOIN throughput AS s
    ON s.configuration_id = c.id AND s.kind = 'train' AND s.resolution = c.train_resolution AND s.newest;

-- One row per evaluation, whichever sweeps ask for it: the table to analyse.
CREATE VIEW results AS
SELECT
    o.trial_key, o.configuration_key, o.state,
    o.preset, o.norm, o.norm_groups, o.group_size, o.expand_ratio, o.batch_size,
    o.train_resolution, e.test_resolution, e.aliased, e.fine_tuned, o.seed,
    o.epochs, o.optimizer, o.learning_rate, o.image_set, o.classes,
    e.top1, e.top5, e.loss AS test_loss, e.images AS test_images,
    o.train_time_s,
    o.train_images_per_s, o.train_images_per_s_low, o.train_images_per_s_high, o.train_quiet,
    s.images_per_s AS inference_images_per_s,
    s.images_per_s_low AS inference_images_per_s_low,
    s.images_per_s_high AS inference_images_per_s_high,
    s.quiet AS inference_quiet,
    o.train_machine_id, s.machine_id AS inference_machine_id,
    o.parameters, o.macs, o.activation_bytes, o.macs_deviation, o.parameters_deviation, o.peak_memory_mib,
    o.attempts, o.ended_at, o.program_version, o.git_commit, o.git_dirty, o.trial_id, o.configuration_id
FROM trial_overview AS o
JOIN evaluations AS e ON e.trial_id = o.trial_id
LEFT JOIN throughput AS s
    ON s.configuration_id = o.configuration_id AND s.kind = 'inference'
    AND s.resolution = e.test_resolution AND s.newest;

-- One row per accuracy that a sweep asks for, there or not yet (top1 is NULL then): what `pareto` reads.
CREATE VIEW sweep_results AS
SELECT
    w.name AS sweep, m.position,
    o.trial_key, o.configuration_key, o.state,
    o.preset, o.norm, o.norm_groups, o.group_size, o.expand_ratio, o.batch_size,
    o.train_resolution, q.test_resolution, q.aliased, e.fine_tuned, o.seed,
    o.epochs, o.optimizer, o.learning_rate, o.image_set, o.classes,
    e.top1, e.top5, e.loss AS test_loss, e.images AS test_images,
    o.train_time_s,
    o.train_images_per_s, o.train_images_per_s_low, o.train_images_per_s_high, o.train_quiet,
    s.images_per_s AS inference_images_per_s,
    s.images_per_s_low AS inference_images_per_s_low,
    s.images_per_s_high AS inference_images_per_s_high,
    s.quiet AS inference_quiet,
    o.train_machine_id, s.machine_id AS inference_machine_id,
    o.parameters, o.macs, o.activation_bytes, o.macs_deviation, o.parameters_deviation, o.peak_memory_mib,
    o.attempts, o.ended_at, o.program_version, o.git_commit, o.git_dirty, o.trial_id, o.configuration_id
FROM sweeps AS w
JOIN sweep_trials AS m ON m.sweep_id = w.id
JOIN trial_overview AS o ON o.trial_id = m.trial_id
JOIN sweep_tests AS q ON q.sweep_id = w.id AND q.configuration_id = o.configuration_id
LEFT JOIN evaluations AS e ON e.trial_id = o.trial_id AND e.test_resolution = q.test_resolution
LEFT JOIN throughput AS s
    ON s.configuration_id = o.configuration_id AND s.kind = 'inference'
    AND s.resolution = q.test_resolution AND s.newest;

-- How far each sweep is: its trials by state.
CREATE VIEW trial_status AS
SELECT
    w.name AS sweep,
    CAST(count(t.id) AS INTEGER) AS trials,
    CAST(count(*) FILTER (WHERE t.state = 'planned') AS INTEGER) AS planned,
    CAST(count(*) FILTER (WHERE t.state = 'running') AS INTEGER) AS running,
    CAST(count(*) FILTER (WHERE t.state = 'finished') AS INTEGER) AS finished,
    CAST(count(*) FILTER (WHERE t.state = 'diverged') AS INTEGER) AS diverged,
    CAST(count(*) FILTER (WHERE t.state = 'failed') AS INTEGER) AS failed
FROM sweeps AS w
LEFT JOIN sweep_trials AS m ON m.sweep_id = w.id
LEFT JOIN trials AS t ON t.id = m.trial_id
GROUP BY w.id;
