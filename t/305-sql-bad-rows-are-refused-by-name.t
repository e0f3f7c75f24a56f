#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
# What would be ambiguous, contradictory or unset does not get into the tables (INV-47, ADV-61), and the person who
# is refused reads the name of the rule.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Trelay::Pem;
use Trelay::Postgres;
use Test::More;

my $pg = Trelay::Postgres->with_schema;
my $ca = Trelay::Pem::authority('CA one');
my $leaf = Trelay::Pem::leaf($ca, 'atlanta.example');
my $pin = 'ab' x 32;
$pg->run(<<SQL, role => 'trelay_admin');
INSERT INTO trelay.trust_set (name) VALUES ('fed');
INSERT INTO trelay.trust_anchor (trust_set, name, pem) VALUES ('fed', 'ca', '$ca->{cert}');
INSERT INTO trelay.certificate (name, chain_pem) VALUES ('fed', '$leaf->{cert}');
INSERT INTO trelay.peer (name, address, action) VALUES ('pbx', '192.0.2.0/24', 'accept');
INSERT INTO trelay.outbound_policy (name, domain, level) VALUES ('first', 'biloxi.example', 'encrypt');
INSERT INTO trelay.outbound_policy (name, is_default, level) VALUES ('rest', true, 'encrypt');
INSERT INTO trelay.server_profile (name) VALUES ('all');
SQL

my %refused = (
    outbound_policy => [
        ["name, level", "'x', 'encrypt'", 'outbound_policy_exactly_one_match_ck'],
        ["name, level, domain, address", "'x', 'encrypt', 'a.example', '192.0.2.0/24'", 'outbound_policy_exactly_one_match_ck'],
        ["name, level, domain, is_default", "'x', 'encrypt', 'a.example', true", 'outbound_policy_exactly_one_match_ck'],
        ["name, domain", "'x', 'a.example'", 'null value in column "level"'],
        ["name, domain, level", "'x', 'a.example', NULL", 'null value in column "level"'],
        ["name, domain, level", "'x', 'a.example', 'high'", 'invalid input value for enum trelay.level: "high"'],
        ["name, domain, level", "'x', 'a.example', 'unset'", 'invalid input value for enum'],
        ["name, domain, level", "'x', '', 'encrypt'", 'domain_pattern_labels_ck'],
        ["name, domain, level", "'x', 'A.example', 'encrypt'", 'domain_pattern_lower_case_ck'],
        ["name, domain, level", "'x', 'a.example.', 'encrypt'", 'domain_pattern_no_trailing_dot_ck'],
        ["name, domain, level", "'first', 'a.example', 'encrypt'", 'outbound_policy_pk'],
        ["name, domain, level", "'x', 'biloxi.example', 'encrypt'", 'outbound_policy_domain_priority_uq'],
        ["name, is_default, level", "'x', true, 'encrypt'", 'outbound_policy_default_priority_uq'],
        ["name, domain, level", "'x', 'a.example', 'chain'", 'outbound_policy_trust_set_needed_for_validation_ck'],
        ["name, domain, level, expected_domain", "'x', 'a.example', 'domain', 'a.example'", 'outbound_policy_trust_set_needed_for_validation_ck'],
        ["name, domain, level, trust_set, expected_domain", "'x', 'a.example', 'domain', 'fed', ''", 'domain_name_labels_ck'],
        ["name, domain, level, trust_set", "'x', 'a.example', 'chain', 'nobody'", 'outbound_policy_trust_set_fk'],
        ["name, domain, level, certificate", "'x', 'a.example', 'encrypt', 'nobody'", 'outbound_policy_certificate_fk'],
        ["name, peer, level", "'x', 'nobody', 'encrypt'", 'outbound_policy_peer_fk'],
        ["name, address, level", "'x', '192.0.2.1/24', 'encrypt'", 'invalid cidr value'],
        ["name, address, level", "'x', '::ffff:192.0.2.0/120', 'encrypt'", 'outbound_policy_address_not_mapped_ck'],
        ["name, domain, level, sni, send_sni", "'x', 'a.example', 'encrypt', 'a.example', false", 'outbound_policy_sni_not_without_send_sni_ck'],
        ["name, domain, level, sni", "'x', 'a.example', 'encrypt', '192.0.2.1'", 'domain_name_no_address_ck'],
        ["name, domain, level, tls_min, tls_max", "'x', 'a.example', 'encrypt', '1.3', '1.2'", 'outbound_policy_tls_min_not_above_tls_max_ck'],
        ["name, domain, level, tls_min", "'x', 'a.example', 'encrypt', '1.0'", 'invalid input value for enum trelay.tls_version'],
        ["name, domain, level, max_age", "'x', 'a.example', 'encrypt', '0'", 'duration_ck'],
        ["name, domain, level, idle_timeout", "'x', 'a.example', 'encrypt', '-1s'", 'duration_ck'],
        ["name, domain, level, pins", "'x', 'a.example', 'chain', '{}'", 'outbound_policy_pins_one_to_four_ck'],
        ["name, domain, level, pins", "'x', 'a.example', 'chain', '{NULL}'", 'outbound_policy_pins_one_to_four_ck'],
        ["name, domain, level, pins", "'x', 'a.example', 'chain', '{abc}'", 'fingerprint_ck'],
        ["name, domain, level, pins", "'x', 'a.example', 'chain', array_fill('$pin'::text, '{5}')", 'outbound_policy_pins_one_to_four_ck'],
        ["name, domain, level, pins", "'x', 'a.example', 'encrypt', '{$pin}'", 'outbound_policy_pins_need_validation_ck'],
        ["name, domain, level, crl", "'x', 'a.example', 'encrypt', 'hard'", 'outbound_policy_hard_revocation_needs_validation_ck'],
        ["name, domain, level, next_hop", "'x', 'a.example', 'encrypt', '{}'", 'outbound_policy_next_hop_one_to_sixteen_ck'],
        ["name, domain, level, next_hop", "'x', 'a.example', 'encrypt', '{biloxi.example:5061}'", 'endpoint_ck'],
        ["name, domain, level, ciphers", "'x', 'a.example', 'encrypt', ''", 'outbound_policy_ciphers_ck'],
        ["name, domain, level, weaken", "'x', 'a.example', 'encrypt', 'yes'", 'invalid input value for enum trelay.permission'],
        ["name, domain, level, isolation", "'x', 'a.example', 'encrypt', ''", 'row_name_ck'],
    ],
    peer => [
        ["name, action", "'x', 'accept'", 'peer_matches_something_ck'],
        ["name, address", "'x', '192.0.2.1'", 'null value in column "action"'],
        ["name, action, subject", "'x', 'accept', 'CN=anybody'", 'peer_names_need_trust_set_ck'],
        ["name, action, san", "'x', 'accept', 'a.example'", 'peer_names_need_trust_set_ck'],
        ["name, action, trust_set, subject", "'x', 'accept', 'fed', ''", 'peer_subject_not_empty_ck'],
        ["name, action, address, status", "'x', 'accept', '192.0.2.1', 403", 'peer_status_of_reject_only_ck'],
        ["name, action, address, status", "'x', 'reject', '192.0.2.1', 200", 'peer_status_is_a_failure_ck'],
        ["name, action, address, check_from", "'x', 'accept', '192.0.2.1', true", 'peer_check_from_needs_trust_set_ck'],
        ["name, action, trust_set, check_from", "'x', 'reject', 'fed', true", 'peer_check_from_of_accept_only_ck'],
        ["name, action, address, flags", "'x', 'reject', '192.0.2.1', 'tls'", 'peer_flags_of_accept_only_ck'],
        ["name, action, address, flags", "'x', 'accept', '192.0.2.1', 'ssl'", 'unknown relay flag "ssl"'],
    ],
    server_profile => [
        ["name", "'x'", 'server_profile_listener_server_name_uq'],
        ["name, client_auth, server_name", "'x', 'require', 'a.example'", 'server_profile_require_needs_trust_set_ck'],
        ["name, trust_set, server_name", "'x', 'fed', 'a.example'", 'server_profile_trust_set_of_client_auth_ck'],
        ["name, server_name", "'x', 'A.example'", 'domain_pattern_lower_case_ck'],
    ],
    server_profile_certificate => [
        ["server_profile, certificate, position", "'all', 'fed', 9", 'server_profile_certificate_one_to_eight_ck'],
        ["server_profile, certificate", "'all', 'nobody'", 'server_profile_certificate_certificate_fk'],
    ],
    route => [
        ["name, method", "'x', 'invite'", 'route_method_upper_case_ck'],
        ["name, header_name", "'x', 'X-Trunk'", 'route_header_name_with_value_ck'],
        ["name, next_hop", "'x', 'biloxi.example'", 'route_next_hop_is_sip_uri_ck'],
        ["name, next_hop", "'x', '<sip:biloxi.example>'", 'route_next_hop_is_sip_uri_ck'],
        ["name, weight", "'x', -1", 'route_weight_ck'],
        ["name, user_prefix", "'x', ''", 'route_user_prefix_ck'],
    ],
    certificate => [
        ["name", "'x'", 'certificate_chain_pem_or_path_ck'],
        ["name, chain_pem, chain_path", "'x', '$leaf->{cert}', '/etc/x.pem'", 'certificate_chain_pem_or_path_ck'],
        ["name, chain_pem", "'x', 'hello'", 'certificate_chain_pem_holds_certificates_ck'],
        ["name, chain_pem", "'x', '$leaf->{cert}$leaf->{key}'", 'certificate_chain_pem_holds_no_key_ck'],
        ["name, chain_path", "'x', 'relative.pem'", 'certificate_chain_path_absolute_ck'],
    ],
    certificate_key => [
        ["certificate", "'fed'", 'certificate_key_one_source_ck'],
        ["certificate, key_pem", "'fed', '$leaf->{cert}'", 'certificate_key_pem_ck'],
        ["certificate, key_path", "'fed', 'key.pem'", 'certificate_key_path_absolute_ck'],
        ["certificate, key_uri", "'fed', 'https://keys.example/'", 'certificate_key_uri_ck'],
        ["certificate, key_path", "'nobody', '/etc/x.key'", 'certificate_key_certificate_fk'],
    ],
    dialog_secret => [
        ["secret", "pg_catalog.decode(repeat('ab', 31), 'hex')", 'dialog_secret_length_ck'],
        ["secret", "pg_catalog.decode(repeat('ab', 65), 'hex')", 'dialog_secret_length_ck'],
        ["secret", "NULL", 'secret'],
    ],
    trust_anchor => [
        ["trust_set, name", "'fed', 'x'", 'trust_anchor_pem_or_path_ck'],
        ["trust_set, name, pem", "'fed', 'x', 'no'", 'trust_anchor_pem_holds_certificates_ck'],
        ["trust_set, name, pem", "'fed', 'x', '$ca->{cert}$ca->{key}'", 'trust_anchor_pem_holds_no_key_ck'],
        ["trust_set, name, path", "'nobody', 'x', '/etc/ca.pem'", 'trust_anchor_trust_set_fk'],
    ],
    crl => [
        ["name, trust_set", "'x', 'fed'", 'crl_one_source_ck'],
        ["name, trust_set, url", "'x', 'fed', 'ldap://a.example'", 'crl_url_ck'],
    ],
);
for my $table (sort keys %refused) {
    for my $case (@{ $refused{$table} }) {
        my ($columns, $values, $rule) = @$case;
        (my $shown = $values) =~ s/-----BEGIN.*-----\n?/(PEM)/s;
        like $pg->refused("INSERT INTO trelay.$table ($columns) VALUES ($values)", role => 'trelay_admin'), qr/\Q$rule\E/,
            "$table ($columns) = ($shown): $rule";
    }
}

subtest 'updates are refused like inserts' => sub {
    my %update = (
        "UPDATE trelay.outbound_policy SET level = 'domain' WHERE name = 'first'" => 'trust_set_needed_for_validation_ck',
        "UPDATE trelay.outbound_policy SET domain = NULL WHERE name = 'first'" => 'exactly_one_match_ck',
        "UPDATE trelay.outbound_policy SET level = NULL" => 'null value in column "level"',
        "UPDATE trelay.outbound_policy SET tls_min = NULL" => 'null value in column "tls_min"',
        "UPDATE trelay.outbound_policy SET weaken = NULL" => 'null value in column "weaken"',
        "UPDATE trelay.peer SET action = NULL" => 'null value in column "action"',
    );
    like $pg->refused($_, role => 'trelay_admin'), qr/$update{$_}/, $_ for sort keys %update;
};

subtest 'what is in use cannot be deleted, and a new name goes everywhere' => sub {
    $pg->run("UPDATE trelay.outbound_policy SET trust_set = 'fed', certificate = 'fed' WHERE name = 'first'", role => 'trelay_admin');
    like $pg->refused("DELETE FROM trelay.trust_set WHERE name = 'fed'", role => 'trelay_admin'), qr/outbound_policy_trust_set_fk/, 'trust set';
    like $pg->refused("DELETE FROM trelay.certificate WHERE name = 'fed'", role => 'trelay_admin'), qr/outbound_policy_certificate_fk/, 'certificate';
    $pg->run("UPDATE trelay.trust_set SET name = 'federation' WHERE name = 'fed'", role => 'trelay_admin');
    is $pg->value("SELECT trust_set FROM trelay.outbound_policy WHERE name = 'first'"), 'federation', 'renamed';
    is $pg->value("SELECT trust_set FROM trelay.trust_anchor"), 'federation', 'anchors too';
};

subtest 'a row that is disabled stands in nobody\'s way' => sub {
    is $pg->refused("INSERT INTO trelay.outbound_policy (name, domain, level, enabled) VALUES ('second', 'biloxi.example', 'encrypt', false)",
        role => 'trelay_admin'), '', 'it may have the match of another';
    like $pg->refused("UPDATE trelay.outbound_policy SET enabled = true WHERE name = 'second'", role => 'trelay_admin'),
        qr/outbound_policy_domain_priority_uq/, 'until it is enabled';
    is $pg->refused("UPDATE trelay.outbound_policy SET enabled = true, priority = 50 WHERE name = 'second'", role => 'trelay_admin'), '',
        'with another priority it may';
};
done_testing;
