#!/usr/bin/env perl
# A worker in Perl, with the modules that come with it: one call after another.
#
#     mesh serve -d tools --worker -- perl worker.pl
#     mesh call tools add 2 b=3
#     mesh stream tools count 5
use strict;
use warnings;
use JSON::PP;

my $json = JSON::PP->new->utf8->canonical->allow_nonref;
$| = 1;    # each line at once

sub say_line { print $json->encode($_[0]), "\n" }

# What is given by its place, else by its name.
sub argument {
    my ($call, $place, $name) = @_;
    return $call->{args}[$place] if $place < @{ $call->{args} };
    return $call->{kwargs}{$name};
}

my %methods = (
    add => sub {
        my ($call) = @_;
        return argument($call, 0, 'a') + (argument($call, 1, 'b') // 0);
    },
    count => sub {
        my ($call) = @_;
        say_line({ id => $call->{id}, item => $_ }) for 1 .. argument($call, 0, 'to');
        return undef;
    },
);

say_line({ methods => [
    { name => 'add', doc => 'Adds two numbers.', params => [ 'a', 'b' ] },
    { name => 'count', doc => 'Counts up to a number.', params => ['to'],
      stream => JSON::PP::true },
] });

while (my $line = <STDIN>) {
    my $call = $json->decode($line);
    next unless exists $call->{method};    # a cancel comes too late here
    local $SIG{__WARN__} = sub { die @_ }; # what is no number is an error
    my $value = eval { $methods{ $call->{method} }->($call) };
    if ($@) {
        chomp(my $error = $@);
        say_line({ id => $call->{id}, error => $error });
    } else {
        say_line({ id => $call->{id}, value => $value });
    }
}
