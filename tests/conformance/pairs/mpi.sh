# MPI over TCP, MPICH and Open MPI: two programs, of which one is the client and one the server.
. "$(dirname "$0")/lib.sh"
cat >ranks.c <<'END'
/* Each exchanges with each, small messages and large ones, without waiting and all at once, and checks what comes. */
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>

static int rank, ranks;

static unsigned char part(int from, int to, int i) { return from * 31 + to * 17 + i * 7 + i / 251; }

static void exchange(int size) {
	MPI_Request *all = malloc(2 * ranks * sizeof *all);
	unsigned char *in = malloc((size_t)ranks * size), *out = malloc((size_t)ranks * size);
	for (int r = 0; r < ranks; r++) {
		for (int i = 0; i < size; i++) out[(size_t)r * size + i] = part(rank, r, i);
		MPI_Irecv(in + (size_t)r * size, size, MPI_BYTE, r, size, MPI_COMM_WORLD, &all[r]);
	}
	for (int r = 0; r < ranks; r++) MPI_Isend(out + (size_t)r * size, size, MPI_BYTE, r, size, MPI_COMM_WORLD, &all[ranks + r]);
	MPI_Waitall(2 * ranks, all, MPI_STATUSES_IGNORE);
	for (int r = 0; r < ranks; r++)
		for (int i = 0; i < size; i++)
			if (in[(size_t)r * size + i] != part(r, rank, i)) { fprintf(stderr, "%d got byte %d of %d wrong\n", rank, i, r); MPI_Abort(MPI_COMM_WORLD, 1); }
	MPI_Alltoall(out, size, MPI_BYTE, in, size, MPI_BYTE, MPI_COMM_WORLD);
	for (int r = 0; r < ranks; r++)
		if (in[(size_t)r * size + size - 1] != part(r, rank, size - 1)) MPI_Abort(MPI_COMM_WORLD, 2);
	free(all), free(in), free(out);
}

int main(int argc, char **argv) {
	long mine, sum;
	MPI_Init(&argc, &argv);
	MPI_Comm_rank(MPI_COMM_WORLD, &rank);
	MPI_Comm_size(MPI_COMM_WORLD, &ranks);
	for (int round = 0; round < 30; round++) {
		exchange(1), exchange(1000);
		mine = rank + round;
		MPI_Allreduce(&mine, &sum, 1, MPI_LONG, MPI_SUM, MPI_COMM_WORLD);
		if (sum != (long)ranks * (ranks - 1) / 2 + (long)ranks * round) MPI_Abort(MPI_COMM_WORLD, 3);
		MPI_Barrier(MPI_COMM_WORLD);
	}
	exchange(2000000);
	if (rank == 0) printf("%d ranks: all right\n", ranks);
	MPI_Finalize();
	return 0;
}
END
# Only TCP: neither may use memory that they share.
mpich() {
	mpicc.mpich -O1 -o ranks.mpich ranks.c
	MPIR_CVAR_NOLOCAL=1 FI_PROVIDER=tcp MPICH_INTERFACE_HOSTNAME=$here mpiexec.hydra -launcher fork -iface lo \
		-n 2 $CLIENT ./ranks.mpich : -n 2 $SERVER ./ranks.mpich >told
	has '4 ranks: all right' told
}
openmpi() {
	mpicc.openmpi -O1 -o ranks.openmpi ranks.c
	mpirun.openmpi --allow-run-as-root --oversubscribe --mca btl tcp,self --mca pml ob1 --mca btl_tcp_if_include lo --mca oob_tcp_if_include lo \
		-n 2 $CLIENT ./ranks.openmpi : -n 2 $SERVER ./ranks.openmpi >told
	has '4 ranks: all right' told
}
check mpich mpich
check openmpi openmpi
