package main

import (
	"encoding/binary"
	"hash/crc64"
	"math/rand/v2"
)

const blockSize = 64 << 10

// makeBlock fills a block for what one rank sends to another in a round, given the value of the round before.
func makeBlock(block []byte, from, to, round int, value uint64) {
	var seed [32]byte
	binary.BigEndian.PutUint64(seed[0:], uint64(from))
	binary.BigEndian.PutUint64(seed[8:], uint64(to))
	binary.BigEndian.PutUint64(seed[16:], uint64(round))
	binary.BigEndian.PutUint64(seed[24:], value)
	rand.NewChaCha8(seed).Read(block)
}

var table = crc64.MakeTable(crc64.ECMA)

// sumOf is what the receiver of a block adds to its sum.
func sumOf(block []byte, from, to int) uint64 {
	return crc64.Checksum(block, table) * uint64(2*(from*1000+to)+1)
}

// next is the value of a round from the value of the one before and the sums of all ranks.
func next(value uint64, sums []uint64) uint64 {
	for _, s := range sums {
		value += s
	}
	return value*6364136223846793005 + 1
}

// reference computes the final value without any communication.
func reference(ranks, rounds int) uint64 {
	block := make([]byte, blockSize)
	value := uint64(0)
	for round := range rounds {
		sums := make([]uint64, ranks)
		for to := range ranks {
			for from := range ranks {
				if from != to {
					makeBlock(block, from, to, round, value)
					sums[to] += sumOf(block, from, to)
				}
			}
		}
		value = next(value, sums)
	}
	return value
}
