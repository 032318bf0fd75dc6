//! Part of a split: balanced over classes, the same each time, and growing without exchange.

use super::error::DataError;
use super::stream::Stream;

/// Indices of `count` images, rising, or of all if `count` is absent.
///
/// Classes take turns, each giving its next image in a fixed random order, until there are enough; so
/// counts of classes differ by one at most where there are enough images of each, and a smaller subset is
/// part of every larger one.
///
/// # Errors
/// If `count` (the value of the setting `key`) is 0 or above the number of labels.
pub(super) fn balanced(
    labels: &[usize],
    count: Option<usize>,
    key: &'static str,
) -> Result<Vec<usize>, DataError> {
    let Some(count) = count else { return Ok((0..labels.len()).collect()) };
    if count == 0 || count > labels.len() {
        let problem = format!("{count} images asked for, the set has {}; allowed: 1 to that", labels.len());
        return Err(DataError::Setting { key, problem });
    }
    // Sorting by (how many of its class came before, class) is taking turns.
    let mut taken = vec![0usize; labels.iter().max().map_or(0, |largest| largest + 1)];
    let mut order: Vec<usize> = (0..labels.len()).collect();
    Stream::new("effsweep subset order v1", &[]).shuffle(&mut order);
    let mut turns: Vec<(usize, usize, usize)> = order
        .into_iter()
        .map(|index| {
            let class = labels[index];
            taken[class] += 1;
            (taken[class], class, index)
        })
        .collect();
    turns.sort_unstable();
    let mut chosen: Vec<usize> = turns[..count].iter().map(|&(_, _, index)| index).collect();
    chosen.sort_unstable();
    Ok(chosen)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_subset_is_balanced_and_grows_without_exchange(
            labels in prop::collection::vec(0usize..4, 2..60), share in 0.0f64..1.0,
        ) {
            let count = 1 + (share * (labels.len() - 1) as f64) as usize;
            let chosen = balanced(&labels, Some(count), "k").unwrap();
            let larger = balanced(&labels, Some((count + 1).min(labels.len())), "k").unwrap();
            prop_assert_eq!(chosen.len(), count);
            prop_assert!(chosen.iter().all(|index| larger.contains(index)));
            let tally = |indices: &[usize], class| indices.iter().filter(|i| labels[**i] == class).count();
            let all: Vec<usize> = (0..labels.len()).collect();
            let most = (0..4).map(|class| tally(&chosen, class)).max().unwrap();
            for class in 0..4 {
                let (has, could) = (tally(&chosen, class), tally(&all, class));
                prop_assert!(has + 1 >= most || has == could, "{has} of {could}, another has {most}");
            }
        }
    }

    #[test]
    fn more_than_there_is_is_an_error_that_says_how_many_there_are() {
        let error = balanced(&[0, 1, 0], Some(4), "data.train_images").unwrap_err().to_string();
        assert_eq!(error, "`data.train_images`: 4 images asked for, the set has 3; allowed: 1 to that");
        assert!(balanced(&[0, 1, 0], Some(0), "data.train_images").is_err());
    }
}
