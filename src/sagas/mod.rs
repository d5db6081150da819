//! Process managers as pure rules: what one aggregate's events ask of others. Nothing here sends,
//! waits or remembers; whoever runs these rules sends what they return.

pub mod registration;
