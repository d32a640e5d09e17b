//! The learning rate at each step.

use crate::training::classifier::recipe::{Schedule, TrainingRecipe};

/// The rate at `step` of `steps`.
pub fn learning_rate(recipe: &TrainingRecipe, step: usize, steps: usize) -> f64 {
    let peak = recipe.learning_rate;
    match recipe.schedule {
        Schedule::Constant => peak,
        Schedule::Cosine => {
            let rising = recipe.warmup * steps as f64;
            let step = step as f64;
            if step < rising {
                return peak * (step + 1.0) / (rising + 1.0);
            }
            let done = (step - rising) / (steps as f64 - rising).max(1.0);
            peak * 0.5 * (1.0 + (std::f64::consts::PI * done).cos())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cosine_rises_to_the_peak_and_falls_towards_zero() {
        let recipe = TrainingRecipe { learning_rate: 0.2, warmup: 0.1, ..TrainingRecipe::default() };
        let rates: Vec<f64> = (0..1000).map(|step| learning_rate(&recipe, step, 1000)).collect();
        assert!(rates[0] < 0.01 && rates[999] < 1e-5);
        assert!(rates[..100].windows(2).all(|pair| pair[0] < pair[1]));
        assert!(rates[100..].windows(2).all(|pair| pair[0] > pair[1]));
        assert!((rates[100] - 0.2).abs() < 1e-12);
    }

    #[test]
    fn constant_is_constant() {
        let recipe = TrainingRecipe { schedule: Schedule::Constant, ..TrainingRecipe::default() };
        assert_eq!(learning_rate(&recipe, 0, 10), learning_rate(&recipe, 9, 10));
    }
}
