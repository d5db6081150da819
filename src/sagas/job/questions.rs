//! What may be asked of a job.

use super::Job;
use domain::question::{Bounded, Whole};

domain::questions!(Job { Whole });

impl Bounded for Job {}
