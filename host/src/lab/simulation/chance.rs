//! Chance of a world: when the next request comes, whose it is, how long it takes. Each request has chance of its own, so that
//! all that are compared see the same requests.

use std::time::Duration;

use super::scenario::{Keys, Service};

/// A number of (0, 1].
pub(super) fn unit(random: &mut fastrand::Rng) -> f64 {
    1.0 - random.f64()
}

/// Exponentially distributed, in microseconds, by its mean.
pub(super) fn exponential(random: &mut fastrand::Rng, mean_us: f64) -> f64 {
    -mean_us * unit(random).ln()
}

/// In microseconds.
pub(super) fn service(random: &mut fastrand::Rng, service: &Service) -> f64 {
    let us = |duration: &Duration| duration.as_secs_f64() * 1e6;
    match service {
        Service::Constant(time) => us(time),
        Service::Exponential(mean) => exponential(random, us(mean)),
        Service::Lognormal { median, sigma } => us(median) * (sigma * normal(random)).exp(),
        Service::Pareto { least, shape } => us(least) * unit(random).powf(-1.0 / shape),
    }
}

/// Box and Muller, 1958.
fn normal(random: &mut fastrand::Rng) -> f64 {
    let (radius, angle) = ((-2.0 * unit(random).ln()).sqrt(), std::f64::consts::TAU * unit(random));
    radius * angle.cos()
}

/// Draws keys by their popularity.
pub(super) struct Popularity {
    /// Sums of the shares of all keys up to each; empty where all are alike.
    sums: Vec<f64>,
    population: u32,
}

impl Popularity {
    pub(super) fn new(keys: &Keys) -> Self {
        let mut sums = Vec::new();
        if keys.zipf > 0.0 {
            let mut sum = 0.0;
            sums.extend((1..=keys.population).map(|rank| {
                sum += f64::from(rank).powf(-keys.zipf);
                sum
            }));
        }
        Self { sums, population: keys.population }
    }

    /// A key, from 0, the most popular.
    pub(super) fn draw(&self, random: &mut fastrand::Rng) -> u32 {
        match self.sums.last() {
            None => random.u32(..self.population),
            Some(total) => {
                let at = random.f64() * total;
                self.sums.partition_point(|sum| *sum <= at).min(self.sums.len() - 1) as u32
            }
        }
    }
}
