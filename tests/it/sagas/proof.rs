//! The proof that every saga is put into on a running node: the node dies at each append that is
//! made on the way, before and after it is executed, and the next life comes to the same end.

use crate::support::life::{Life, World};

/// One saga, run again and again.
pub trait Proof {
    /// What one run is about.
    type Subject;

    /// Appends that are let through at first: those of whoever asks for the saga and would ask
    /// again.
    const LET_THROUGH: i64;

    /// Makes what one run needs.
    async fn prepare(&mut self, life: &Life) -> Self::Subject;

    /// Asks for the saga and waits for its end.
    async fn carry_out(&self, life: &Life, subject: &Self::Subject);

    /// Waits for its end in the life after; whoever asked is gone.
    async fn goes_on(&self, life: &Life, subject: &Self::Subject);

    /// Holds the end to what was promised.
    async fn check(&mut self, life: &Life, subject: &Self::Subject, how: &str);
}

/// Lets the node die at each append in turn, until a run comes to its end without. Gives the number
/// of deaths.
pub fn dies_at_each_append<P: Proof>(world: &World, proof: &mut P) -> usize {
    let mut life = world.begin();
    let mut deaths = 0;
    for executed in [false, true] {
        for appends in P::LET_THROUGH.. {
            let subject = life.run("what is needed", proof.prepare(&life));
            life.crash.after(appends, executed);
            let died = life.run("an end or a death", async {
                tokio::select! {
                    () = life.crash.happened() => true,
                    () = proof.carry_out(&life, &subject) => life.crash.has_happened(),
                }
            });
            if died {
                deaths += 1;
                life.crash();
                life = world.begin();
                life.run("an end after a death", proof.goes_on(&life, &subject));
            }
            life.crash.disarm();
            let how = format!("{} append {appends}", if executed { "after" } else { "before" });
            life.run("a look", proof.check(&life, &subject, &how));
            if !died {
                break;
            }
        }
    }
    life.drain();
    deaths
}
