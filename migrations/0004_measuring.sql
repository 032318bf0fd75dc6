-- What a throughput depends on beside the configuration: the clock, the wait for a quiet machine; and what a user
-- waits for before the first step.

ALTER TABLE measurements ADD COLUMN clock_mhz REAL CHECK (clock_mhz > 0); -- mean over the processors, afterwards
ALTER TABLE measurements ADD COLUMN waited_s REAL CHECK (waited_s >= 0); -- for others to leave the machine alone
ALTER TABLE measurements ADD COLUMN first_batch_s REAL CHECK (first_batch_s >= 0); -- opening the images and loading a batch; of training

-- As before, with the rate at the machine's usual speed: each round's is multiplied by what the probe usually makes,
-- over what it made around that round.
DROP VIEW throughput;
CREATE VIEW throughput AS
WITH
    usual AS (
        SELECT machine_id, avg((probe_before + probe_after) / 2) AS probe
        FROM measurements
        WHERE mode = 'exclusive' AND quiet
        GROUP BY machine_id
    ),
    ranked AS (
        SELECT
            m.configuration_id, m.machine_id, m.kind, m.resolution, m.batch_size, m.threads, m.program_version,
            m.git_commit, m.images_per_s, m.images_per_s_low, m.images_per_s_high, m.quiet, m.peak_rss_bytes,
            m.taken_at,
            m.images_per_s * u.probe * 2 / (m.probe_before + m.probe_after) AS corrected,
            row_number() OVER (one ORDER BY m.images_per_s) AS place,
            count(*) OVER one AS rounds
        FROM measurements AS m LEFT JOIN usual AS u ON u.machine_id = m.machine_id
        WHERE m.mode = 'exclusive'
        WINDOW one AS (
            PARTITION BY
                m.configuration_id, m.kind, m.resolution, m.machine_id, m.batch_size, m.threads,
                m.program_version, m.git_commit
        )
    )
SELECT
    configuration_id, kind, resolution, machine_id, batch_size, threads, program_version, git_commit,
    CAST(avg(CASE WHEN place IN ((rounds + 1) / 2, (rounds + 2) / 2) THEN images_per_s END) AS REAL)
        AS images_per_s,
    CAST(min(images_per_s_low) AS REAL) AS images_per_s_low,
    CAST(max(images_per_s_high) AS REAL) AS images_per_s_high,
    CAST(avg(corrected) AS REAL) AS images_per_s_at_usual_speed,
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
