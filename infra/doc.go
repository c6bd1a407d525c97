// Package infra is the world around the rooms: the command line, with one file for each command.
//
// Its own rooms hold what commands share: terminal (what people read), parts (configuration and the choice of
// drivers), node (functions and doors put together), load (files into a server or a log), bench (measuring) with
// indexbench, generate and sample. Others are tools of the project itself: servers, testrun, walks, e2e.
package infra
