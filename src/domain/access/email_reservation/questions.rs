//! What may be asked of a reservation.

use super::EmailReservation;
use crate::question::{Bounded, Whole};

crate::questions!(EmailReservation { Whole });

impl Bounded for EmailReservation {}
