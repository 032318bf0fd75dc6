//! `pareto` and `compare`, as in `transcripts/judging.md`: over accuracies that are made up, so that every number of an
//! answer is known.

use rusqlite::Connection;

use super::here::Here;
use super::tiny::TINY;
use super::transcript::play;

/// The tiny sweep with three seeds, of 200 test images.
fn sweep() -> String {
    TINY.replace("[sweep]\n", "[sweep]\nseeds = [0, 1, 2]\n").replace("test_images = 32", "test_images = 200")
}

/// Right answers of 200: proxy norm is four above batch norm, batch size 8 two above 16, the larger resolution six above
/// the smaller, and seeds move all by up to five in an order of their own.
const CORRECT: &str = "
    UPDATE evaluations SET images = 200, top5_correct = 190, loss = 0.5, top1_correct = (
        SELECT 150 + 4 * (c.norm = 'ln+pn') + 2 * (c.batch_size = 8) + 6 * (evaluations.test_resolution = 24)
            + ((t.seed + 1) * (3 + 2 * (c.norm = 'bn') + c.batch_size / 8)) % 6
        FROM trials AS t JOIN configurations AS c ON c.id = t.configuration_id WHERE t.id = evaluations.trial_id)";

/// What differs from machine to machine.
const TIMES: &str = "UPDATE trials SET train_s = 10.0; UPDATE attempts SET peak_rss_bytes = 104857600";

#[test]
fn fronts_and_comparisons_are_as_told() {
    let here = Here::new();
    here.write("tiny.toml", &sweep());
    here.call(&["run", "tiny.toml"]).done();
    let db = Connection::open(here.path("results/effsweep.db")).unwrap();
    assert_eq!(db.execute(CORRECT, []).unwrap(), 24);
    db.execute_batch(TIMES).unwrap();
    drop(db);
    play("judging", &here);
}
