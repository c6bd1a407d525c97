// Package pages is what the pages of searches and of histories are made of: places and the tokens that name them,
// links, and the contents of the versions on a page.
//
// It promises that a token is a place in the search that it was made for, and in no other one.
package pages
