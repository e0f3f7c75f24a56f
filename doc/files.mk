# The manual, and what make dist takes of doc.
dist_man_MANS = doc/trelayd.8 doc/trelayctl.8 doc/trelay-schema.8 doc/trelay.conf.5 doc/trelay-policy.7 doc/trelay-flags.7
